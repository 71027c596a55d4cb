-- For the administrator of the PostgreSQL server that Melouvert is given, as a superuser. Takes from
-- the mail servers' logins what only a superuser can take:
--
--     psql -X -v ON_ERROR_STOP=1 -d postgres -f this-file
--
-- then once for each space that was opened before:
--
--     psql -X -v ON_ERROR_STOP=1 -d col_<siren> -v space=1 -f this-file
--
-- Both may be repeated: after an upgrade of Melouvert, or when `melouvert doctor` asks for it. Other
-- applications' roles lose CONNECT on postgres and template1, too: grant it to those that need it.
-- What no statement can bound is a session's memory: start the server under a limit of the data
-- segment (`ulimit -d 65536`, or LimitDATA=64M for systemd).

\if :{?space}
{{public}}
\quit
\endif

{{server}}
grant connect on database postgres to "{{user}}";
grant melouvert_worker to "{{user}}" with admin option;
grant set on parameter temp_file_limit, log_min_messages, log_min_error_statement to "{{user}}";
select format('grant melouvert_worker to %I', rolname) from pg_roles
where rolname ~ '^col_[0-9]{9}_owner$'
\gexec

-- The spaces' databases are copies of this one.
select 'create database melouvert_template template template0 encoding ''UTF8'' locale ''C'' is_template true'
where not exists (select from pg_database where datname = 'melouvert_template')
\gexec
alter database melouvert_template allow_connections true;
\connect melouvert_template
{{public}}
\connect postgres
alter database melouvert_template allow_connections false;
