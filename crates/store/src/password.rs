//! What an agent's password must be, and how it is stored.
//!
//! Source of the rule: CNIL, délibération 2022-100 du 21 juillet 2022: an entropy of 80 bits for a
//! password alone, 50 bits when attempts are throttled, and no password of a list of common ones.
//! Generated passwords reach 80 bits. Chosen ones must have 12 characters, 50 bits by their length and
//! alphabet, and resist guessing by zxcvbn, which knows common passwords, names, dates and keyboards,
//! and how they are disguised (`P@ssw0rd2026`). It is told what people in French administrations
//! choose, and what belongs to this agent: address, name, collectivity.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc,
};
use melouvert_domain::EmailAddress;
use rand::{CryptoRng, Rng, seq::IndexedRandom};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// The fewest characters of a chosen password.
pub const MIN_CHARACTERS: usize = 12;
/// The most bytes of a password: Dovecot's own limit on a login line is far above.
pub const MAX_BYTES: usize = 256;
/// The least entropy of a chosen password, in bits, with throttled attempts (CNIL 2022-100).
pub const MIN_BITS: f64 = 50.0;

/// Twenty-three letters and eight digits that are not taken for one another.
const READABLE: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 3;
const GROUP_LENGTH: usize = 6;

/// The fewest guesses, as a power of ten: zxcvbn's highest grade, out of reach of throttled attempts.
const MIN_GUESSES_LOG10: f64 = 10.0;
/// zxcvbn takes the square of the length, and counts no more than this.
const GUESSED_CHARACTERS: usize = 100;

/// What many people choose in France, one a line, beside what zxcvbn knows of English.
const COMMON: &str = include_str!("password/common-fr.txt");

/// Why a password was refused or could not be hashed. Never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("the password has {found} characters: expected at least {MIN_CHARACTERS}")]
    TooShort {
        /// How many it has.
        found: usize,
    },
    /// Too many bytes.
    #[error("the password has {found} bytes: expected at most {MAX_BYTES}")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// A control character, which some mail clients cannot send.
    #[error("the password has a control character: expected printable characters")]
    Control,
    /// Too few kinds of characters for its length, or the same few over and over.
    #[error(
        "the password is too simple: expected more characters, or letters, digits and signs together"
    )]
    TooSimple,
    /// Guessed soon: made of common words, names, dates or keys, or of what belongs to the agent.
    #[error(
        "the password is easy to guess: expected no common word, name or date, nor the collectivity's or the agent's name, even disguised"
    )]
    Guessable,
    /// Contains the login.
    #[error("the password contains the mailbox's name: expected something unrelated")]
    ContainsLogin,
    /// The hash function failed.
    #[error("failed to hash the password: {0}")]
    Hash(String),
}

/// `{ARGON2ID}$argon2id$…`: what the mail servers compare with. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The scheme and the hash, as Dovecot reads them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Checks a chosen password of the agent whose login is `login`; `about` is what else an attacker
/// knows: names of the agent and of the collectivity.
pub fn check(
    password: &SecretString,
    login: &EmailAddress,
    about: &[&str],
) -> Result<(), PasswordError> {
    let text = password.expose_secret();
    let characters = text.chars().count();
    if characters < MIN_CHARACTERS {
        return Err(PasswordError::TooShort { found: characters });
    }
    if text.len() > MAX_BYTES {
        return Err(PasswordError::TooLong { found: text.len() });
    }
    if text.chars().any(char::is_control) {
        return Err(PasswordError::Control);
    }
    let lower = text.to_lowercase();
    let local = login.local().as_str();
    if lower.contains(&login.to_string()) || (local.len() >= 4 && lower.contains(local)) {
        return Err(PasswordError::ContainsLogin);
    }
    if entropy_bits(text) < MIN_BITS {
        return Err(PasswordError::TooSimple);
    }
    if guesses_log10(text, login, about) < MIN_GUESSES_LOG10 {
        return Err(PasswordError::Guessable);
    }
    Ok(())
}

/// How many guesses it takes, as a power of ten. Accents, blanks and signs in between disguise
/// nothing.
fn guesses_log10(text: &str, login: &EmailAddress, about: &[&str]) -> f64 {
    let known = format!("{login} {}", about.join(" ")).to_lowercase();
    let mut words: Vec<String> = COMMON.lines().map(str::to_owned).collect();
    words.extend(
        known
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() >= 3)
            .map(plain),
    );
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let cut: String = text.chars().take(GUESSED_CHARACTERS).collect();
    let bare = plain(&cut);
    let without = |unwanted: fn(char) -> bool| bare.chars().filter(|c| !unwanted(*c)).collect();
    let joined: String = without(char::is_whitespace);
    let letters: String = without(|c| !c.is_alphanumeric());
    [cut, joined, letters]
        .iter()
        .map(|text| zxcvbn::zxcvbn(text, &words).guesses_log10())
        .fold(f64::INFINITY, f64::min)
}

/// The text without the accents of French.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'à' | 'â' | 'ä' => 'a',
            'ç' => 'c',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'î' | 'ï' => 'i',
            'ô' | 'ö' => 'o',
            'ù' | 'û' | 'ü' => 'u',
            other => other,
        })
        .collect()
}

/// Length times the logarithm of the alphabet (the CNIL's measure), counting at most two of each
/// character so that `aaaaaaaaaaaa` gains nothing by its length.
fn entropy_bits(text: &str) -> f64 {
    let mut seen = std::collections::BTreeMap::<char, u32>::new();
    for character in text.chars() {
        *seen.entry(character).or_default() += 1;
    }
    let length: u32 = seen.values().map(|count| (*count).min(2)).sum();
    let has = |test: fn(&char) -> bool, size: u32| if seen.keys().any(test) { size } else { 0 };
    let alphabet = has(|c| c.is_lowercase(), 26)
        + has(|c| c.is_uppercase(), 26)
        + has(|c| c.is_numeric(), 10)
        + has(|c| !c.is_alphanumeric(), 33);
    f64::from(length) * f64::from(alphabet.max(1)).log2()
}

/// A random password of 89 bits: three groups of six letters and digits, e.g. `k7mq2x-…-…`.
pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> SecretString {
    let groups: Vec<String> = (0..GROUPS)
        .map(|_| {
            (0..GROUP_LENGTH)
                .filter_map(|_| READABLE.choose(rng))
                .map(|byte| char::from(*byte))
                .collect()
        })
        .collect();
    groups.join("-").into()
}

/// Hashes with Argon2id, 19 MiB, 2 passes, 1 lane (OWASP's minimum; RFC 9106). Takes some 20 ms of
/// processor time: call it where blocking is allowed.
pub fn hash<R: CryptoRng + ?Sized>(
    password: &SecretString,
    rng: &mut R,
) -> Result<PasswordHash, PasswordError> {
    let salt: [u8; 16] = rng.random();
    let hash: phc::PasswordHash = argon()?
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map_err(|source| PasswordError::Hash(source.to_string()))?;
    Ok(PasswordHash(format!("{{ARGON2ID}}{hash}")))
}

/// Whether `password` is the one behind `hash`.
pub fn verify(password: &SecretString, hash: &PasswordHash) -> bool {
    let text = hash.0.trim_start_matches("{ARGON2ID}");
    argon().is_ok_and(|argon| {
        phc::PasswordHash::new(text).is_ok_and(|parsed| {
            argon
                .verify_password(password.expose_secret().as_bytes(), &parsed)
                .is_ok()
        })
    })
}

fn argon() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(19 * 1024, 2, 1, None)
        .map_err(|source| PasswordError::Hash(source.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn login() -> EmailAddress {
        "jeanne.martin@caen.example".parse().unwrap()
    }

    const ABOUT: [&str; 2] = ["Jeanne Lefèvre", "Commune d'Arromanches-les-Bains"];

    #[test]
    fn each_rule_refuses_by_its_name() {
        use PasswordError as E;
        for (password, expected) in [
            ("Tr0p-court!", E::TooShort { found: 11 }),
            ("été-été-été", E::TooShort { found: 11 }),
            ("123456789012", E::TooSimple),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", E::TooSimple),
            ("Jeanne.Martin-2026!", E::ContainsLogin),
            ("xx-jeanne.martin@caen.example", E::ContainsLogin),
            ("tabulation\tici-2026", E::Control),
        ] {
            let found = check(&password.into(), &login(), &ABOUT);
            assert_eq!(found, Err(expected), "{password}");
        }
        let long: SecretString = "aB3-".repeat(65).into();
        let found = check(&long, &login(), &ABOUT);
        assert_eq!(found, Err(E::TooLong { found: 260 }));
    }

    #[test]
    fn what_is_guessed_soon_is_refused_however_disguised() {
        for password in [
            "P@ssw0rd2026",
            "P@ssw0rd2026!",
            "Passw0rd-2026",
            "MotDePasse2026!",
            "M0tdep@sse2026",
            "mairie123456789",
            "M@irie14000!",
            "Azertyuiop123!",
            "AZERTYuiop2026",
            "Qwertyuiop123!",
            "1q2w3e4r5t6Y!",
            "Bonjour-2026!",
            "Bienvenue2026!",
            "Soleil14000!!",
            "Janvier-2026!",
            "Décembre2026!",
            "Arromanches2026!",
            "Arr0manches-14",
            "Caen-14000-2026",
            "Lefèvre2026!!",
            "lefevre-1985!",
            "Melouvert2026!",
            "Administrateur1!",
            "abcdefghijkL1!",
            "Abcd1234Abcd1234",
            "01/01/2026-Aa1",
            "Mot-de-passe-2026",
            "mot de passe 2026",
            "2026!Caen!2026",
            "Secretariat-Mairie1",
        ] {
            let found = check(&password.into(), &login(), &ABOUT);
            assert_eq!(found, Err(PasswordError::Guessable), "{password}");
        }
    }

    #[test]
    fn good_passwords_pass() {
        for password in [
            "Vache-9-bleue!",
            "quatre chevaux verts",
            "k7mq2xpz4hrt",
            "essai-de-Melouvert-2026",
            "tracteur lune parapluie",
        ] {
            let found = check(&password.into(), &login(), &ABOUT);
            assert_eq!(found, Ok(()), "{password}");
        }
        let longest: SecretString = "Vache-9 ".repeat(32).into();
        assert_eq!(longest.expose_secret().len(), MAX_BYTES);
        assert!(check(&longest, &login(), &ABOUT).is_ok());
    }

    #[test]
    fn generated_passwords_pass_and_differ() {
        let mut rng = StdRng::seed_from_u64(7);
        let bits = f64::from(31_u32).log2() * 18.0;
        assert!(bits >= 80.0, "{bits}");
        let passwords: Vec<SecretString> = (0..100).map(|_| generate(&mut rng)).collect();
        let mut texts: Vec<&str> = passwords.iter().map(ExposeSecret::expose_secret).collect();
        for password in &passwords {
            assert_eq!(check(password, &login(), &ABOUT), Ok(()));
            assert_eq!(password.expose_secret().len(), 20);
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 100);
    }

    #[test]
    fn a_hash_has_dovecots_form_and_verifies() {
        let mut rng = StdRng::seed_from_u64(7);
        let password: SecretString = "Vache-9-bleue!".into();
        let hashed = hash(&password, &mut rng).unwrap();
        assert!(
            hashed
                .as_str()
                .starts_with("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hashed.as_str()
        );
        assert!(verify(&password, &hashed));
        assert!(!verify(&"Vache-9-rouge!".into(), &hashed));
        assert_ne!(hash(&password, &mut rng).unwrap(), hashed, "salted");
        assert!(!format!("{hashed:?}").contains("argon2id"));
    }
}
