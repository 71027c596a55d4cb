//! Which domains' mail is put off, and since when.
//!
//! A deferral that lasts looks like nothing at all, until senders give up after some days. So the
//! inbound relay is asked for each domain's postmaster, as another mail server would. Since when is
//! kept in a ConfigMap, written when it changes: an operator that restarts forgets nothing.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::reflector::Store,
};
use melouvert_api::{Collectivity, alarm::AlarmKind};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    alarms::Alarms,
    bootstrap::Platform,
    errors,
    events::Events,
    observe::recipients::{self, Answer, Relay},
    relays::routes,
    tolerant::{Listed, Unreadable},
};

/// The ConfigMap: `<domain>` to the instant since when.
const CONFIG_MAP: &str = "melouvert-mail-deferred";
/// The field manager.
const MANAGER: &str = "melouvert-deferred";
/// Port of the inbound relay's Service.
const SMTP: u16 = 25;
/// How long a domain may be put off before somebody is told: a space that restarts takes less.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// The shortest time between two looks.
const LOOK: Duration = Duration::from_mins(1);
/// What one domain adds to it: a region of 2,600 is asked in some five minutes.
const EACH: Duration = Duration::from_millis(100);

/// Since when each domain is put off.
type Since = BTreeMap<String, Timestamp>;

/// Asks for every domain.
pub struct Deferred {
    /// The API.
    pub client: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// All tenants, as last seen.
    pub tenants: Store<Collectivity>,
    /// Whether these are all.
    pub listed: Listed,
    /// Those that cannot be read.
    pub unreadable: Unreadable<Collectivity>,
    /// Whom the relay's certificate is under.
    pub platform: Platform,
    /// How a domain is told.
    pub alarms: Alarms,
    /// See `alarms`.
    pub events: Events,
}

impl Deferred {
    /// Asks until `stop`.
    pub async fn keep(self, stop: CancellationToken) {
        // Whoever is not listed yet is not gone.
        tokio::select! {
            () = stop.cancelled() => return,
            complete = self.listed.complete() => if !complete { return },
        }
        let mut since = None;
        loop {
            let domains = self.domains();
            let count = u32::try_from(domains.len()).unwrap_or(u32::MAX);
            let wait = LOOK.max(EACH.saturating_mul(count));
            if let Err(error) = self.look(&domains, &mut since).await {
                let error = errors::chain(&error);
                tracing::warn!(error, "deferred domains not kept");
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn domains(&self) -> Vec<String> {
        let (state, unreadable) = (self.tenants.state(), self.unreadable.all());
        let shadows = unreadable.iter().map(|found| &found.shadow);
        let told = routes::told(state.iter().map(AsRef::as_ref).chain(shadows));
        told.into_iter()
            .map(|route| route.domain.to_string())
            .collect()
    }

    async fn look(&self, domains: &[String], since: &mut Option<Since>) -> Result<(), kube::Error> {
        let before = match since.take() {
            Some(known) => known,
            None => self.read().await?,
        };
        let host = format!("melouvert-relay-in.{}.svc", self.namespace);
        let root = self.platform.root.get();
        let relay = Relay {
            host: &host,
            port: SMTP,
            root_pem: root.certificate_pem(),
            sender_host: &host,
        };
        let postmasters: Vec<String> = domains
            .iter()
            .map(|domain| format!("postmaster@{domain}"))
            .collect();
        let answers: BTreeMap<String, Answer> = recipients::ask(&relay, &postmasters)
            .await
            .into_iter()
            .filter_map(|(address, answer)| Some((address.split_once('@')?.1.to_owned(), answer)))
            .collect();
        let now = Timestamp::now();
        let after = advance(&before, domains, &answers, now);
        let told = told(&after, &answers, now);
        self.alarms
            .tell(&self.events, AlarmKind::MailDeferred, told)
            .await;
        let changed = after != before;
        let kept = since.insert(after);
        if changed {
            self.write(kept).await?;
        }
        Ok(())
    }

    async fn read(&self) -> Result<Since, kube::Error> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = maps.get_opt(CONFIG_MAP).await?;
        let data = found.and_then(|map| map.data).unwrap_or_default();
        let since = |(domain, at): (String, String)| Some((domain, at.parse().ok()?));
        Ok(data.into_iter().filter_map(since).collect())
    }

    async fn write(&self, since: &Since) -> Result<(), kube::Error> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let data: BTreeMap<&String, String> = since
            .iter()
            .map(|(domain, at)| (domain, at.to_string()))
            .collect();
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": CONFIG_MAP, "namespace": self.namespace},
            "data": data,
        });
        let params = PatchParams::apply(MANAGER).force();
        maps.patch(CONFIG_MAP, &params, &Patch::Apply(&map))
            .await
            .map(drop)
    }
}

/// Since when each of `domains` is put off, after these answers. One without an answer stays as it
/// was; one that is served no more is forgotten.
fn advance(
    before: &Since,
    domains: &[String],
    answers: &BTreeMap<String, Answer>,
    now: Timestamp,
) -> Since {
    let since = |domain: &String| {
        let at = match answers.get(domain) {
            Some(Answer::Taken) => return None,
            Some(_) => before.get(domain).copied().unwrap_or(now),
            None => before.get(domain).copied()?,
        };
        Some((domain.clone(), at))
    };
    domains.iter().filter_map(since).collect()
}

/// What is told at `now`: who is put off for too long, and who is refused, at once.
fn told(
    since: &Since,
    answers: &BTreeMap<String, Answer>,
    now: Timestamp,
) -> Vec<(String, Timestamp, String)> {
    let one = |(domain, at): (&String, &Timestamp)| {
        let (refused, said) = match answers.get(domain) {
            Some(Answer::Refused(said)) => (true, said.clone()),
            Some(Answer::PutOff(said)) => (false, said.clone()),
            _ => (false, "not asked".to_owned()),
        };
        let lasts = now.duration_since(*at) >= PATIENCE;
        (refused || lasts).then(|| (domain.clone(), *at, said))
    };
    since.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(all: &[(&str, Answer)]) -> BTreeMap<String, Answer> {
        all.iter()
            .map(|(domain, answer)| ((*domain).to_owned(), answer.clone()))
            .collect()
    }

    #[test]
    fn a_domain_is_told_after_a_quarter_of_an_hour_and_forgotten_once_it_is_served() {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let at = |minutes| start + SignedDuration::from_mins(minutes);
        let domains = ["a.example".to_owned(), "b.example".to_owned()];
        let later = || Answer::PutOff("451 later".into());
        let off = answers(&[("a.example", later()), ("b.example", Answer::Taken)]);
        let first = advance(&Since::new(), &domains, &off, at(0));
        assert_eq!(first.len(), 1);
        assert!(told(&first, &off, at(14)).is_empty());
        // The relay was not reached in between: nothing is forgotten.
        let unasked = advance(&first, &domains, &BTreeMap::new(), at(10));
        assert_eq!(unasked, first);
        let second = advance(&unasked, &domains, &off, at(15));
        assert_eq!(
            told(&second, &off, at(15)),
            [("a.example".to_owned(), at(0), "451 later".to_owned())]
        );
        let good = answers(&[("a.example", Answer::Taken)]);
        assert!(advance(&second, &domains, &good, at(16)).is_empty());
        assert!(advance(&second, &domains[1..], &off, at(16)).is_empty());
    }

    #[test]
    fn a_refusal_is_told_at_once() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let refused = answers(&[("a.example", Answer::Refused("550 no".into()))]);
        let since = advance(&Since::new(), &["a.example".to_owned()], &refused, now);
        assert_eq!(told(&since, &refused, now).len(), 1);
    }
}
