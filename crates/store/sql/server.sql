-- Run by a superuser once for the server. May be repeated.
do $$
begin
    if not exists (select from pg_roles where rolname = 'melouvert_worker') then
        create role melouvert_worker nologin;
    end if;
end
$$;

-- Everybody may connect to these two, and leave locks and large objects there.
revoke all on database postgres, template1 from public;
