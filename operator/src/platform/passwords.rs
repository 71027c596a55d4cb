//! Passwords of agents: given or made, hashed off the request threads.

use melouvert_api::wire::Password;
use melouvert_domain::{EmailAddress, Siren};
use melouvert_store::{PasswordError, PasswordHash, password};
use secrecy::{ExposeSecret, SecretString};

use super::{error::ApiError, state::Platform};

/// Password hashes computed in one turn, some 20 ms each: no other space waits for longer.
const BATCH: usize = 4;

/// A password that will be the agent's.
#[derive(Debug)]
pub enum Chosen {
    /// By the caller, checked.
    Given(SecretString),
    /// By the platform: to be shown once.
    Made(SecretString),
}

impl Chosen {
    /// Takes what the caller gave, or makes one.
    /// `about` is what else an attacker knows of the agent: names.
    pub fn of(
        given: Option<&Password>,
        login: &EmailAddress,
        about: &[&str],
    ) -> Result<Self, PasswordError> {
        match given {
            Some(text) => {
                let text = SecretString::from(text.expose());
                password::check(&text, login, about)?;
                Ok(Self::Given(text))
            }
            None => Ok(Self::Made(password::generate(&mut rand::rng()))),
        }
    }

    /// What is shown to the caller: only what the caller does not know.
    pub fn shown(&self) -> Option<Password> {
        match self {
            Self::Given(_) => None,
            Self::Made(text) => Some(Password::new(text.expose_secret())),
        }
    }

    fn text(&self) -> &SecretString {
        match self {
            Self::Given(text) | Self::Made(text) => text,
        }
    }
}

impl Platform {
    /// The hash of each password of a space, in order.
    pub async fn hash(
        &self,
        space: &Siren,
        passwords: &[&Chosen],
    ) -> Result<Vec<PasswordHash>, ApiError> {
        let mut all = Vec::with_capacity(passwords.len());
        for batch in passwords.chunks(BATCH) {
            let batch: Vec<SecretString> = batch.iter().map(|c| c.text().clone()).collect();
            // Begun when it is the space's turn.
            let hashed = async {
                tokio::task::spawn_blocking(move || {
                    batch
                        .iter()
                        .map(|text| password::hash(text, &mut rand::rng()))
                        .collect::<Result<Vec<_>, _>>()
                })
                .await
            };
            let hashed = self
                .hashing
                .turn(space, hashed)
                .await
                .map_err(|error| ApiError::internal(&error))?
                .map_err(|error| ApiError::internal(&error))?;
            all.extend(hashed.map_err(|error| ApiError::internal(&error))?);
        }
        Ok(all)
    }
}

/// A password's flaw in French and English.
pub fn flaw(error: &PasswordError) -> (String, String) {
    let fr = match error {
        PasswordError::TooShort { found } => format!(
            "le mot de passe a {found} caractères : au moins {} sont attendus",
            password::MIN_CHARACTERS
        ),
        PasswordError::TooLong { found } => format!(
            "le mot de passe a {found} octets : au plus {} sont permis",
            password::MAX_BYTES
        ),
        PasswordError::Control => {
            "le mot de passe contient un caractère de contrôle, invisible".to_owned()
        }
        PasswordError::TooSimple => {
            "le mot de passe est trop simple : allongez-le, ou mêlez lettres, chiffres et signes"
                .to_owned()
        }
        PasswordError::ContainsLogin => {
            "le mot de passe contient le nom de la boîte : choisissez autre chose".to_owned()
        }
        PasswordError::Guessable => {
            "le mot de passe se devine : ni mot courant, ni nom, ni date, ni nom de la collectivité ou de l'agent, même déguisés ; quatre mots sans lien conviennent"
                .to_owned()
        }
        PasswordError::Hash(_) => "le mot de passe n'a pas pu être protégé".to_owned(),
    };
    (fr, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_password_that_we_made_is_shown() {
        let login = "jeanne@caen.example".parse().unwrap();
        let given = Password::new("Vache-9-bleue!");
        assert!(
            Chosen::of(Some(&given), &login, &[])
                .unwrap()
                .shown()
                .is_none()
        );
        assert!(Chosen::of(None, &login, &[]).unwrap().shown().is_some());
        assert!(Chosen::of(Some(&Password::new("court")), &login, &[]).is_err());
    }
}
