-- Reports in zstd: a session of the database has too little memory for the longest ones as text.
-- Those from before this step stay as they are.
alter table migration_account add column report_packed bytea;
alter table migration_account alter column report_packed set storage external;
alter table migration_report add column report_packed bytea;
alter table migration_report alter column report_packed set storage external;
alter table migration_report alter column report drop not null;
alter table migration_report add check (num_nonnulls(report, report_packed) = 1);
