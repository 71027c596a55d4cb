//! The tenants' pools in use: few at a time, since a server has far fewer connections than a region
//! has tenants.

use std::sync::{Mutex, PoisonError};

use melouvert_domain::Siren;

use crate::{Server, database::Database, names::TenantNames};

/// How many pools are kept: two connections each stay well under PostgreSQL's usual 100, which the
/// mail servers share.
const CAPACITY: usize = 16;
/// Connections of one tenant's pool.
const POOL_SIZE: u32 = 2;

/// Most recently used last. A pool that falls out closes when its last user drops it.
#[derive(Debug, Default)]
pub(super) struct Pools {
    recent: Mutex<Vec<(Siren, Database)>>,
}

impl Pools {
    /// The tenant's pool, opened lazily. Its sessions act as the database's owner.
    pub(super) fn of(&self, siren: &Siren, server: &Server) -> Database {
        // A panic while holding the lock leaves at worst a pool less.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().position(|(known, _)| known == siren);
        let database = if let Some(place) = known {
            recent.remove(place).1
        } else {
            let names = TenantNames::of(siren);
            server.pool(&names.database, Some(&names.owner), POOL_SIZE)
        };
        if recent.len() >= CAPACITY {
            recent.remove(0);
        }
        recent.push((siren.clone(), database.clone()));
        database
    }

    /// Forgets a tenant's pool and closes its connections.
    pub(super) async fn close(&self, siren: &Siren) {
        let found = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let place = recent.iter().position(|(known, _)| known == siren);
            place.map(|place| recent.remove(place).1)
        };
        if let Some(database) = found {
            database.pool().close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine digits that pass Luhn's check.
    fn siren(number: u32) -> Siren {
        (0..10)
            .find_map(|digit| format!("{number:08}{digit}").parse().ok())
            .expect("one check digit fits")
    }

    #[tokio::test]
    async fn the_least_recently_used_pool_falls_out() {
        let server = Server {
            host: "127.0.0.1".into(),
            port: 1,
            user: "nobody".into(),
            password: "none".into(),
            ca_pem: String::new(),
        };
        let pools = Pools::default();
        for number in 0..16 {
            pools.of(&siren(number), &server);
        }
        pools.of(&siren(0), &server);
        pools.of(&siren(16), &server);
        let kept: Vec<Siren> = {
            let recent = pools.recent.lock().unwrap();
            recent.iter().map(|(siren, _)| siren.clone()).collect()
        };
        assert_eq!(kept.len(), CAPACITY);
        assert!(kept.contains(&siren(0)));
        assert!(!kept.contains(&siren(1)));
    }
}
