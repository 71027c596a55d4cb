-- A proof is kept as the very text that was signed, with its detached signature. Rows from before
-- this step are reports that nobody signed.
alter table migration_report alter column report type text using report::text;
alter table migration_report add column signature text check (signature <> '');
