//! How many requests one caller, and one space, may have under way at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;

use super::error::ApiError;

/// Of one identity: a migration's Jobs, ten at a time by default, share one.
const IDENTITY: usize = 24;
/// In one space, whoever calls.
const SPACE: usize = 48;

/// Whose places are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Identity(String),
    Space(String),
}

/// Requests under way. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<BTreeMap<Holder, usize>>>);

/// A place, given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    holder: Holder,
}

impl Places {
    /// A place for a caller; refused when it has too many.
    pub fn identity(&self, name: &str) -> Result<Place, ApiError> {
        self.take(Holder::Identity(name.into()), IDENTITY)
    }

    /// A place in a space; refused when it has too many.
    pub fn space(&self, siren: &str) -> Result<Place, ApiError> {
        self.take(Holder::Space(siren.into()), SPACE)
    }

    fn take(&self, holder: Holder, most: usize) -> Result<Place, ApiError> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(holder.clone()).or_default();
        if *count >= most {
            return Err(too_many(&holder, most));
        }
        *count += 1;
        Ok(Place {
            places: self.clone(),
            holder,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.holder);
            }
        }
    }
}

fn too_many(holder: &Holder, most: usize) -> ApiError {
    let (fr, en) = match holder {
        Holder::Identity(name) => (format!("« {name} »"), format!("{name:?}")),
        Holder::Space(siren) => (
            format!("l'espace de {siren}"),
            format!("the space of {siren}"),
        ),
    };
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "TooManyRequests",
        (
            &format!("{fr} a déjà {most} requêtes en cours"),
            &format!("{en} has {most} requests under way"),
        ),
        (
            "attendez qu'elles finissent, puis réessayez",
            "wait for them to end, then try again",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_apart_and_given_back() {
        let places = Places::default();
        let mut held: Vec<Place> = (0..IDENTITY)
            .map(|_| places.identity("jeanne").unwrap())
            .collect();
        let refused = places.identity("jeanne").unwrap_err();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        places.identity("paul").expect("another caller");
        places.space("jeanne").expect("a space of that name");
        held.pop();
        held.push(places.identity("jeanne").expect("one was given back"));
        drop(held);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
