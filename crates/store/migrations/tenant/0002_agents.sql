create table agent (
    id uuid primary key default gen_random_uuid(),
    local_part text not null check (local_part <> '' and local_part = lower(local_part)),
    domain text not null check (domain <> '' and domain = lower(domain)),
    display_name text not null,
    password_hash text check (password_hash like '{ARGON2ID}$argon2id$%'),
    quota_bytes bigint not null check (quota_bytes > 0),
    enabled bool not null default true,
    kind text not null default 'agent' check (kind in ('agent', 'system')),
    created_at timestamptz not null default now(),
    unique (local_part, domain)
);

create table alias (
    local_part text not null check (local_part <> '' and local_part = lower(local_part)),
    domain text not null check (domain <> '' and domain = lower(domain)),
    target_local_part text not null,
    target_domain text not null,
    primary key (local_part, domain),
    foreign key (target_local_part, target_domain)
        references agent (local_part, domain) on delete cascade
);

create index alias_target on alias (target_local_part, target_domain);

-- What the mail servers read, and nothing else.
create view mail_login as
    select local_part || '@' || domain as username, password_hash as password, quota_bytes
    from agent
    where enabled;

create view mail_alias as
    select local_part || '@' || domain as address,
           target_local_part || '@' || target_domain as target
    from alias;

create table migration_report (
    id uuid primary key default gen_random_uuid(),
    migration text not null check (migration <> ''),
    run int not null check (run > 0),
    at timestamptz not null default now(),
    -- json, not jsonb: jsonb rewrites numbers and key order, which a hash would not survive.
    report json not null,
    hash text not null check (hash <> ''),
    unique (migration, run)
);
