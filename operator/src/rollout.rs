//! Whose turn it is to take a change that concerns many spaces: one space first, then ever more of
//! them, as long as those before are seen to serve.
//!
//! A mistyped image or address in a region or plan therefore stops one space. What each space stands
//! on is told in its status; what this process wrote a moment ago is remembered here, because the
//! cache may not have it yet.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::channel::mpsc;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use melouvert_api::{
    Collectivity,
    collectivity::{Footing, LifecycleSchema},
    condition::{READY, holds},
};

/// Spaces that take a proven change at once.
const WIDTH: usize = 16;
/// Spaces that are woken when another has proven a change: its own place, and one more.
const WOKEN: usize = 2;

/// What several spaces share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// The region.
    Region,
    /// The plan.
    Plan,
}

impl Shared {
    /// A word for messages.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Plan => "plan",
        }
    }

    fn of(self, footing: &Footing) -> &str {
        match self {
            Self::Region => &footing.region,
            Self::Plan => &footing.plan,
        }
    }

    fn named(self, tenant: &Collectivity) -> &str {
        match self {
            Self::Region => &tenant.spec.region,
            Self::Plan => &tenant.spec.plan,
        }
    }
}

/// Whether a space may take a change now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Go,
    /// Not before this space is seen to serve with it.
    Wait {
        /// Its name.
        behind: String,
    },
}

/// What one space stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    name: String,
    on: Option<String>,
    ready: bool,
}

/// What this process last told of each space.
pub struct Rollout {
    told: Mutex<HashMap<String, (Footing, bool)>>,
    waker: mpsc::UnboundedSender<ObjectRef<Collectivity>>,
}

impl Rollout {
    /// Nothing told yet; `waker` makes the controller look at a space.
    pub fn new(waker: mpsc::UnboundedSender<ObjectRef<Collectivity>>) -> Self {
        Self {
            told: Mutex::default(),
            waker,
        }
    }

    /// Asks for `tenant` to take version `wanted`; a yes is remembered, so that two never get it for
    /// the same place.
    pub fn ask<'a>(
        &self,
        shared: Shared,
        tenant: &Collectivity,
        wanted: &str,
        all: impl IntoIterator<Item = &'a Collectivity>,
    ) -> Turn {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let name = tenant.name_any();
        let running = |other: &&Collectivity| {
            other.spec.lifecycle != LifecycleSchema::Terminating
                && other.metadata.deletion_timestamp.is_none()
                && shared.named(other) == shared.named(tenant)
        };
        let standings: Vec<Standing> = all
            .into_iter()
            .filter(running)
            .map(|other| standing(shared, other, told.get(&other.name_any())))
            .collect();
        let turn = turn(&name, wanted, &standings);
        if turn == Turn::Go {
            let footing = told
                .get(&name)
                .map(|(footing, _)| footing.clone())
                .or_else(|| tenant.status.as_ref()?.footing.clone());
            let mut footing = footing.unwrap_or_default();
            let place = match shared {
                Shared::Region => &mut footing.region,
                Shared::Plan => &mut footing.plan,
            };
            wanted.clone_into(place);
            told.insert(name, (footing, false));
        }
        turn
    }

    /// Notes what a status tells. A space that newly serves lets others go on.
    pub fn note<'a>(
        &self,
        name: &str,
        footing: Option<&Footing>,
        ready: bool,
        all: impl IntoIterator<Item = &'a Collectivity>,
    ) {
        let Some(footing) = footing else { return };
        let now = (footing.clone(), ready);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(name.to_owned(), now.clone());
        if !ready || before.as_ref() == Some(&now) {
            return;
        }
        let behind = |other: &&Collectivity| {
            let known = told.get(&other.name_any()).map(|(footing, _)| footing);
            let on = known.or_else(|| other.status.as_ref()?.footing.as_ref());
            on.is_some_and(|on| {
                is_other_version(&on.region, &footing.region)
                    || is_other_version(&on.plan, &footing.plan)
            })
        };
        let mut waiting: Vec<&Collectivity> = all.into_iter().filter(behind).collect();
        waiting.sort_by_key(|other| other.name_any());
        for other in waiting.into_iter().take(WOKEN) {
            // Nobody listens any more only when the process ends.
            let _ = self.waker.unbounded_send(ObjectRef::from_obj(other));
        }
    }

    /// Forgets a space that is gone.
    pub fn forget(&self, name: &str) {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

/// Whether these are two versions of one object.
fn is_other_version(one: &str, other: &str) -> bool {
    let name = |revision: &str| revision.split('@').next().map(str::to_owned);
    one != other && name(one) == name(other)
}

fn standing(shared: Shared, tenant: &Collectivity, told: Option<&(Footing, bool)>) -> Standing {
    let status = tenant.status.as_ref();
    let seen = status.and_then(|status| status.footing.as_ref());
    let (footing, ready) = match told {
        Some((footing, ready)) => (Some(footing), *ready),
        None => (
            seen,
            status.is_some_and(|status| holds(&status.conditions, READY)),
        ),
    };
    Standing {
        name: tenant.name_any(),
        on: footing.map(|footing| shared.of(footing).to_owned()),
        ready,
    }
}

/// The rule. `all` are the running spaces that share the changed object, whoever asks among them.
fn turn(me: &str, wanted: &str, all: &[Standing]) -> Turn {
    let has = |space: &&Standing| space.on.as_deref() == Some(wanted);
    if all.iter().any(|space| space.name == me && has(&space)) {
        return Turn::Go;
    }
    let (proven, trying): (Vec<&Standing>, Vec<&Standing>) =
        all.iter().filter(has).partition(|space| space.ready);
    let mut waiting: Vec<&Standing> = all.iter().filter(|space| !has(space)).collect();
    waiting.sort_by_key(|space| (rank(space, all), &space.name));
    let places = match proven.len() {
        0 => 1,
        many => many.min(WIDTH),
    };
    let free = places.saturating_sub(trying.len());
    let mut next = waiting.iter().take(free);
    if next.any(|space| space.name == me) {
        return Turn::Go;
    }
    let first = trying.first().or(waiting.first());
    Turn::Wait {
        behind: first.map_or_else(String::new, |space| space.name.clone()),
    }
}

/// Who tries a change: the space that an earlier trial broke, since it has nothing to lose; then
/// those that serve, so that a failure says something about the change; then the others.
fn rank(space: &Standing, all: &[Standing]) -> u8 {
    let shared = |other: &Standing| other.on == space.on && other.ready;
    match space.ready {
        false if space.on.is_some() && !all.iter().any(shared) => 0,
        true => 1,
        false => 2,
    }
}

#[cfg(test)]
mod tests;
