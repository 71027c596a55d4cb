-- The same file in the platform's and in the tenants' migrations (a test compares them).
create table journal (
    seq bigint primary key check (seq > 0),
    at timestamptz not null,
    actor text not null check (actor <> ''),
    action text not null check (action <> ''),
    subject text not null,
    detail jsonb not null,
    previous bytea not null check (octet_length(previous) = 32),
    hash bytea not null check (octet_length(hash) = 32)
);

create index journal_action_subject on journal (action, subject, seq desc);

create function journal_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only: % refused', tg_op
        using errcode = 'insufficient_privilege';
end
$$;

create trigger journal_rows_stay before update or delete on journal
    for each row execute function journal_is_append_only();
create trigger journal_table_stays before truncate on journal
    for each statement execute function journal_is_append_only();

-- Also under session_replication_role = replica.
alter table journal enable always trigger journal_rows_stay;
alter table journal enable always trigger journal_table_stays;
