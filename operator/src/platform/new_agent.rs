//! What an agent to add must be: each flaw with its column, in both languages.

use std::collections::BTreeMap;

use melouvert_api::wire::{BadLine, NewAgent};
use melouvert_domain::{
    EmailAddress, MailDomain, StorageSize,
    visible::{code_point, hidden},
};

use super::{
    error::ApiError,
    passwords::{self, Chosen},
    tenant::Limits,
};

/// The longest name shown to people, in characters.
const NAME_MAX: usize = 200;

/// An agent that may be added.
#[derive(Debug)]
pub struct Candidate {
    /// The address.
    pub address: EmailAddress,
    /// The name.
    pub name: String,
    /// The quota.
    pub quota: StorageSize,
    /// The password.
    pub password: Chosen,
}

/// Where agents are added.
#[derive(Debug, Clone, Copy)]
pub struct Space<'a> {
    /// The collectivity's name, which no password may be made of.
    pub name: &'a str,
    /// Its domains.
    pub domains: &'a [String],
    /// What it may take.
    pub limits: Limits,
}

/// A column that does not hold what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// `address`, `name`, `quota` or `password`.
    pub column: &'static str,
    /// What is wrong, in French.
    pub fr: String,
    /// What is wrong, in English.
    pub en: String,
}

impl From<Flaw> for ApiError {
    fn from(flaw: Flaw) -> Self {
        ApiError::invalid(
            flaw.column,
            (&flaw.fr, &flaw.en),
            ("corrigez ce champ", "correct this field"),
        )
    }
}

/// Checks one agent; every flaw is returned, one per column.
pub fn check(new: &NewAgent, space: Space<'_>) -> Result<Candidate, Vec<Flaw>> {
    let Space {
        name: collectivity,
        domains,
        limits,
    } = space;
    let address = address(&new.address, domains);
    let name = name(&new.name);
    let quota = quota(new.quota.as_deref(), limits);
    let password = match &address {
        Ok(login) => {
            Chosen::of(new.password.as_ref(), login, &[&new.name, collectivity]).map_err(|error| {
                let (fr, en) = passwords::flaw(&error);
                Flaw {
                    column: "password",
                    fr,
                    en,
                }
            })
        }
        // Checked once the login is known.
        Err(flaw) => Err(flaw.clone()),
    };
    match (address, name, quota, password) {
        (Ok(address), Ok(name), Ok(quota), Ok(password)) => Ok(Candidate {
            address,
            name,
            quota,
            password,
        }),
        (address, name, quota, password) => {
            let mut flaws: Vec<Flaw> = [address.err(), name.err(), quota.err(), password.err()]
                .into_iter()
                .flatten()
                .collect();
            flaws.dedup();
            let mut seen = Vec::new();
            flaws.retain(|flaw| {
                let first = !seen.contains(&flaw.column);
                seen.push(flaw.column);
                first
            });
            Err(flaws)
        }
    }
}

/// Checks all; the flaws of every line when there is any. `taken` are the addresses in use.
pub fn check_all(
    new: &[NewAgent],
    space: Space<'_>,
    taken: &[EmailAddress],
) -> Result<Vec<Candidate>, Vec<BadLine>> {
    let mut first_line: BTreeMap<EmailAddress, u64> = BTreeMap::new();
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for (place, agent) in new.iter().enumerate() {
        let line = agent.line.unwrap_or(place as u64 + 1);
        match check(agent, space) {
            Err(flaws) => bad.extend(flaws.into_iter().map(|flaw| bad_line(line, flaw))),
            Ok(candidate) => {
                let address = &candidate.address;
                if taken.contains(address) {
                    bad.push(bad_line(line, exists(address)));
                } else if let Some(before) = first_line.get(address) {
                    bad.push(bad_line(line, twice(address, *before)));
                }
                first_line.entry(address.clone()).or_insert(line);
                good.push(candidate);
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// The address is in use.
pub fn exists(address: &EmailAddress) -> Flaw {
    Flaw {
        column: "address",
        fr: format!("{address} existe déjà"),
        en: format!("{address} exists already"),
    }
}

fn twice(address: &EmailAddress, line: u64) -> Flaw {
    Flaw {
        column: "address",
        fr: format!("{address} est déjà à la ligne {line}"),
        en: format!("{address} is already on line {line}"),
    }
}

fn bad_line(line: u64, flaw: Flaw) -> BadLine {
    BadLine {
        line,
        column: flaw.column.into(),
        message_fr: flaw.fr,
        message_en: flaw.en,
    }
}

fn address(text: &str, domains: &[String]) -> Result<EmailAddress, Flaw> {
    let flaw = |fr, en| Flaw {
        column: "address",
        fr,
        en,
    };
    let address: EmailAddress = text.trim().parse().map_err(|error| {
        flaw(
            format!(
                "{text:?} n'est pas une adresse : nom@domaine attendu, le nom fait de a-z, 0-9, point, tiret, « _ » ou « + »"
            ),
            format!("{error}"),
        )
    })?;
    if domains.iter().any(|d| is_domain(d, address.domain())) {
        return Ok(address);
    }
    let known = domains.join(", ");
    Err(flaw(
        format!("le domaine de {address} n'est pas à cette collectivité : attendu {known}"),
        format!("the domain of {address} is not this collectivity's: expected {known}"),
    ))
}

fn is_domain(text: &str, domain: &MailDomain) -> bool {
    text.parse::<MailDomain>().is_ok_and(|d| d == *domain)
}

fn name(text: &str) -> Result<String, Flaw> {
    let name = text.trim();
    let flaw = |fr, en| Flaw {
        column: "name",
        fr,
        en,
    };
    if let Some(character) = hidden(name) {
        let code = code_point(character);
        return Err(flaw(
            format!("le nom porte un caractère invisible ({code}) : saisissez-le au clavier"),
            format!("the name holds an invisible character ({code}): type it"),
        ));
    }
    if (1..=NAME_MAX).contains(&name.chars().count()) {
        return Ok(name.into());
    }
    Err(flaw(
        format!("le nom doit avoir de 1 à {NAME_MAX} caractères"),
        format!("the name must have 1 to {NAME_MAX} characters"),
    ))
}

fn quota(text: Option<&str>, limits: Limits) -> Result<StorageSize, Flaw> {
    let flaw = |fr, en| Flaw {
        column: "quota",
        fr,
        en,
    };
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(limits.mailbox);
    };
    let quota: StorageSize = text.parse().map_err(|error| {
        flaw(
            format!(
                "{text:?} n'est pas une taille : nombre et unité attendus, par exemple 2Gi ou 2Go"
            ),
            format!("{error}"),
        )
    })?;
    if quota > limits.storage {
        let storage = limits.storage;
        return Err(flaw(
            format!("{quota} dépasse le volume de la collectivité ({storage})"),
            format!("{quota} exceeds the collectivity's volume ({storage})"),
        ));
    }
    Ok(quota)
}

#[cfg(test)]
mod tests {
    use melouvert_api::wire::Password;

    use super::*;

    fn space(domains: &[String]) -> Space<'_> {
        Space {
            name: "Commune de Caen",
            domains,
            limits: Limits {
                agents: 10,
                storage: "20Gi".parse().unwrap(),
                mailbox: "2Gi".parse().unwrap(),
            },
        }
    }

    fn new(address: &str, name: &str, quota: Option<&str>) -> NewAgent {
        NewAgent {
            address: address.into(),
            name: name.into(),
            quota: quota.map(Into::into),
            password: None,
            line: None,
        }
    }

    fn columns(agent: &NewAgent) -> Vec<&'static str> {
        match check(agent, space(&["caen.example".into()])) {
            Ok(_) => Vec::new(),
            Err(flaws) => flaws.into_iter().map(|flaw| flaw.column).collect(),
        }
    }

    #[test]
    fn each_column_is_named() {
        assert!(columns(&new("jeanne@caen.example", "Jeanne", None)).is_empty());
        assert_eq!(
            columns(&new("jeanne@rouen.example", "Jeanne", None)),
            ["address"]
        );
        assert_eq!(
            columns(&new("jeanne", " ", Some("2Zo"))),
            ["address", "name", "quota"]
        );
        assert_eq!(
            columns(&new("jeanne@caen.example", "Jeanne", Some("21Gi"))),
            ["quota"]
        );
        for hidden in [
            "Jeanne\u{202E}nitraM",
            "Jeanne\u{200B}",
            "Jeanne\nMartin",
            "\u{2066}J",
        ] {
            let agent = new("jeanne@caen.example", hidden, None);
            assert_eq!(columns(&agent), ["name"], "{hidden:?}");
        }
        let mut weak = new("jeanne@caen.example", "Jeanne", None);
        weak.password = Some(Password::new("court"));
        assert_eq!(columns(&weak), ["password"]);
        weak.password = Some(Password::new("P@ssw0rd2026"));
        assert_eq!(columns(&weak), ["password"]);
        // Its own name.
        weak.name = "Zébulon Quatremain".into();
        weak.password = Some(Password::new("Quatremain-2026"));
        assert_eq!(columns(&weak), ["password"]);
    }

    #[test]
    fn the_default_quota_is_the_tenants() {
        let agent = new("jeanne@caen.example", "Jeanne", Some(""));
        let domains = ["caen.example".into()];
        let candidate = check(&agent, space(&domains)).unwrap();
        assert_eq!(candidate.quota, space(&domains).limits.mailbox);
    }

    #[test]
    fn an_import_names_every_bad_line() {
        let mut agents = [
            new("a@caen.example", "A", None),
            new("b@rouen.example", "B", None),
            new("A@caen.example", "A again", None),
            new("c@caen.example", "C", None),
        ];
        agents[1].line = Some(7);
        let taken = ["c@caen.example".parse().unwrap()];
        let bad = check_all(&agents, space(&["caen.example".into()]), &taken).unwrap_err();
        let found: Vec<(u64, &str)> = bad.iter().map(|b| (b.line, b.column.as_str())).collect();
        assert_eq!(found, [(7, "address"), (3, "address"), (4, "address")]);
    }
}
