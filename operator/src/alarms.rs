//! What somebody should look at now, for metrics, Events and `melouvert doctor`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use melouvert_api::alarm::{self, AlarmKind};

use crate::events::Events;

/// What stands now. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Alarms {
    standing: Arc<Mutex<BTreeMap<(AlarmKind, String), Standing>>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Standing {
    since: Timestamp,
    detail: String,
}

impl Alarms {
    /// Makes `now_standing` (subject, since when, what was seen) all that stands of a kind, and
    /// returns what is new. What stood already keeps its instant.
    pub fn replace(
        &self,
        kind: AlarmKind,
        now_standing: impl IntoIterator<Item = (String, Timestamp, String)>,
    ) -> Vec<(String, String)> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = BTreeMap::new();
        standing.retain(|(of, subject), seen| {
            if *of == kind {
                before.insert(subject.clone(), seen.since);
            }
            *of != kind
        });
        let mut news = Vec::new();
        for (subject, since, detail) in now_standing {
            let since = before.get(&subject).copied().unwrap_or_else(|| {
                news.push((subject.clone(), detail.clone()));
                since
            });
            standing.insert((kind, subject), Standing { since, detail });
        }
        news
    }

    /// The same, telling what is new in the log and in an Event of the operator's own.
    pub async fn tell(
        &self,
        events: &Events,
        kind: AlarmKind,
        now_standing: impl IntoIterator<Item = (String, Timestamp, String)>,
    ) {
        for (subject, detail) in self.replace(kind, now_standing) {
            tracing::warn!(alarm = kind.as_str(), subject, detail, "alarm");
            events
                .own_warning(kind.as_str(), &format!("{subject}: {detail}"))
                .await;
        }
    }

    /// All that stands.
    pub fn all(&self) -> alarm::Alarms {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |((kind, subject), seen): (&(AlarmKind, String), &Standing)| alarm::Alarm {
            kind: *kind,
            subject: subject.clone(),
            since: seen.since.to_string(),
            detail: seen.detail.clone(),
        };
        alarm::Alarms {
            alarms: standing.iter().map(one).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_keeps_its_instant_and_goes_with_its_cause() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let one = |subject: &str, second| (subject.to_owned(), at(second), "x".to_owned());
        let alarms = Alarms::default();
        let kind = AlarmKind::MailDeferred;
        let news = alarms.replace(kind, [one("a.example", 1), one("b.example", 1)]);
        assert_eq!(news.len(), 2);
        alarms.replace(AlarmKind::UnreadableObject, [one("col-1", 1)]);
        let news = alarms.replace(kind, [one("a.example", 9), one("c.example", 9)]);
        assert_eq!(news, [("c.example".to_owned(), "x".to_owned())]);
        let told: Vec<_> = alarms
            .all()
            .alarms
            .into_iter()
            .map(|alarm| (alarm.subject, alarm.since))
            .collect();
        let since = |second| at(second).to_string();
        assert_eq!(
            told,
            [
                ("col-1".to_owned(), since(1)),
                ("a.example".to_owned(), since(1)),
                ("c.example".to_owned(), since(9)),
            ]
        );
    }
}
