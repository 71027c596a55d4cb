-- Run by a superuser in a space's database: takes from everybody what PostgreSQL gives everybody.
--
-- A mail server's login is in its pod, hence in the hands of whoever takes the pod. What is left to
-- it are pure computations and its two views: no advisory lock, no large object, no write-ahead log,
-- no transaction number, no catalogue with the other spaces' names. `melouvert_worker`, which the
-- platform's own roles inherit, gets what everybody had, and no more. May be repeated.
do $$
declare
    routines text;
    tables text;
begin
    select string_agg(oid::regprocedure::text, ', ') into routines
    from pg_proc
    where pronamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      and has_function_privilege('public', oid, 'EXECUTE');
    execute 'grant execute on routine ' || routines || ' to melouvert_worker';
    select string_agg(oid::regclass::text, ', ') into tables
    from pg_class
    where relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      and relkind in ('r', 'v')
      and has_table_privilege('public', oid, 'SELECT');
    if tables is not null then
        execute 'grant select on ' || tables || ' to melouvert_worker';
    end if;
end
$$;
grant usage on schema information_schema to melouvert_worker;
grant usage on language plpgsql to melouvert_worker;

revoke all on all tables in schema pg_catalog, information_schema from public;
revoke all on all routines in schema pg_catalog, information_schema, public from public;
revoke all on schema information_schema, public from public;
revoke all on language plpgsql from public;

-- An immutable function neither reads nor changes anything but its arguments. The few others join
-- texts, as the mail servers' queries do.
do $$
begin
    execute (
        select 'grant execute on routine ' || string_agg(oid::regprocedure::text, ', ') || ' to public'
        from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
          and (provolatile = 'i'
               or proname in ('anytextcat', 'textanycat', 'concat', 'concat_ws', 'array_to_string',
                               'convert_to', 'now'))
    );
end
$$;
