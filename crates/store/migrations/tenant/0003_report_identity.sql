-- A Migration deleted and made again under the same name counts its runs from the start: its
-- reports are its own by the object's UID. Rows from before this step have none.
alter table migration_report add column migration_uid uuid;
alter table migration_report drop constraint migration_report_migration_run_key;
alter table migration_report add constraint migration_report_uid_run unique (migration_uid, run);
create index migration_report_latest on migration_report (migration, at desc);
