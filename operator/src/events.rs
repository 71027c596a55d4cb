//! Events of the operator, all through one recorder so that repeated ones are counted.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::settings::{OPERATOR_ACCOUNT, Settings};

/// The longest note that the API server takes, in bytes.
const NOTE_LIMIT: usize = 1000;

/// The shared recorder.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    own: ObjectReference,
}

impl Events {
    /// A recorder that speaks as this pod.
    pub fn new(client: Client, settings: &Settings) -> Self {
        let reporter = Reporter {
            controller: OPERATOR_ACCOUNT.into(),
            instance: Some(settings.pod_name.clone()),
        };
        let own = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(settings.pod_name.clone()),
            namespace: Some(settings.namespace.clone()),
            ..ObjectReference::default()
        };
        Self {
            recorder: Recorder::new(client, reporter),
            own,
        }
    }

    /// Says that something went as asked.
    pub async fn normal(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(EventType::Normal, about, reason, note).await;
    }

    /// Says that something deserves a look.
    pub async fn warning(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(EventType::Warning, about, reason, note).await;
    }

    /// Says something about the operator itself, in its own namespace: only the hoster reads it.
    pub async fn own_warning(&self, reason: &str, note: &str) {
        let own = self.own.clone();
        self.warning(&own, reason, note).await;
    }

    /// The operator's own pod, about which its own Events are.
    pub fn own(&self) -> &ObjectReference {
        &self.own
    }

    async fn publish(&self, type_: EventType, about: &ObjectReference, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.into(),
            note: Some(clip(note).to_owned()),
            action: reason.into(),
            secondary: None,
        };
        // An Event is a courtesy: the log line stays when it cannot be written.
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(
                reason,
                note,
                error = crate::errors::chain(&error),
                "event not recorded"
            );
        }
    }
}

/// The longest prefix that fits and ends at a character.
fn clip(note: &str) -> &str {
    let mut end = note.len().min(NOTE_LIMIT);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_end_at_a_character() {
        let note = "é".repeat(600);
        assert_eq!(clip(&note).len(), 1000);
        assert_eq!(clip(&note[2..]).chars().count(), 500);
        assert_eq!(clip("court"), "court");
    }
}
