-- What was done of each account of a migration: enough for a restarted operator to go on. No
-- password is here.
create table migration_account (
    migration_uid uuid not null,
    account text not null check (account <> ''),
    wave text not null,
    source_user text not null,
    target_user text not null,
    -- The last pass that was begun; what `progress` is told of.
    pass int not null check (pass > 0),
    begun json not null,
    progress json,
    -- The last pass that ended, and its report.
    done json,
    report json,
    primary key (migration_uid, account)
);
