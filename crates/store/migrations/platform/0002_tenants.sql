create table tenant (
    siren text primary key check (siren ~ '^[0-9]{9}$'),
    opened_at timestamptz not null default now(),
    erased_at timestamptz,
    -- What PostgreSQL stores for the reader's password, so that a rotation is noticed without
    -- superuser rights (pg_authid is closed to others).
    reader_verifier text not null,
    schema_version bigint not null
);
