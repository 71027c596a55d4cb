//! Agents as people read them.

use bytesize::ByteSize;
use melouvert_api::wire::{AddedAgent, Agent, Password};

use melouvert_domain::EmailAddress;

use crate::{
    printer::Row,
    text::{Lang, Text, text},
};

/// A size for people, e.g. `2.0 GiB`.
pub fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

impl Row for Agent {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec!["ADRESSE", "NOM", "QUOTA", "ÉTAT"],
            vec!["ADDRESS", "NAME", "QUOTA", "STATE"],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        vec![
            self.address.clone(),
            self.name.clone(),
            size(self.quota_bytes),
            state(self, lang).to_owned(),
        ]
    }

    fn name(&self) -> String {
        self.address.clone()
    }
}

fn state(agent: &Agent, lang: Lang) -> &'static str {
    match (agent.kind.as_str(), agent.enabled, agent.has_password) {
        ("system", ..) => lang.pick("système", "system"),
        (_, false, _) => lang.pick("bloqué", "disabled"),
        (_, true, false) => lang.pick("sans mot de passe", "no password"),
        (_, true, true) => lang.pick("actif", "active"),
    }
}

impl Row for AddedAgent {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec!["ADRESSE", "NOM", "QUOTA", "MOT DE PASSE"],
            vec!["ADDRESS", "NAME", "QUOTA", "PASSWORD"],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        vec![
            self.agent.address.clone(),
            self.agent.name.clone(),
            size(self.agent.quota_bytes),
            shown(self.password.as_ref(), lang),
        ]
    }

    fn name(&self) -> String {
        self.agent.address.clone()
    }
}

/// The mail server could not be told to end the sessions.
pub fn sessions_open(address: &EmailAddress) -> Text {
    text!(
        "Attention : le serveur de messagerie n'a pas confirmé la fin des sessions de {address} ; elles peuvent durer",
        "Beware: the mail server did not confirm the end of the sessions of {address}; they may last"
    )
}

/// A password that the platform made, or that the person knows already.
pub fn shown(password: Option<&Password>, lang: Lang) -> String {
    password.map_or_else(
        || lang.pick("(celui fourni)", "(as given)").to_owned(),
        |password| password.expose().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_state_is_told() {
        let mut agent = Agent {
            address: "jeanne@caen.example".into(),
            name: "Jeanne".into(),
            quota_bytes: 2 << 30,
            enabled: true,
            kind: "agent".into(),
            has_password: true,
            created_at: "2026-11-24T00:00:00Z".into(),
        };
        assert_eq!(
            agent.cells(Lang::Fr),
            ["jeanne@caen.example", "Jeanne", "2.0 GiB", "actif"]
        );
        agent.has_password = false;
        assert_eq!(state(&agent, Lang::En), "no password");
    }
}
