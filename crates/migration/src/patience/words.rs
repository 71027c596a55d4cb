//! What servers say when they want to be left alone for a while: one table, for both sides and for
//! login.

use std::time::Duration;

/// Why a server asks for patience.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Too much was asked of it in too short a time.
    Throttled,
    /// Too many connections at once.
    Connections,
    /// The bandwidth of a day or an hour is used up.
    Bandwidth,
    /// It does not work at the moment.
    Unavailable,
    /// Somebody else holds what is asked for.
    InUse,
    /// It refuses everything, whatever its words.
    Refusing,
}

/// A refusal that will pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Temporary {
    /// Why.
    pub cause: Cause,
    /// How long to wait, when it is told.
    pub told: Option<Duration>,
}

/// Codes that say so by themselves. RFC 5530: UNAVAILABLE "temporary failure", INUSE "somebody else
/// has a lock". THROTTLED is sent by Yahoo and AOL.
const CODES: [(&str, Cause); 3] = [
    ("UNAVAILABLE", Cause::Unavailable),
    ("INUSE", Cause::InUse),
    ("THROTTLED", Cause::Throttled),
];
/// Codes that say that it will not pass (RFC 5530, RFC 9051): whatever words follow.
const FINAL: [&str; 14] = [
    "AUTHENTICATIONFAILED",
    "AUTHORIZATIONFAILED",
    "EXPIRED",
    "PRIVACYREQUIRED",
    "CONTACTADMIN",
    "NOPERM",
    "CANNOT",
    "TRYCREATE",
    "TOOBIG",
    "BADCHARSET",
    "NONEXISTENT",
    "ALREADYEXISTS",
    "CLIENTBUG",
    "PARSE",
];
/// Words, in lower case, each with who says them.
const WORDS: [(&str, Cause); 27] = [
    // Exchange Online: "Request is throttled. Suggested Backoff Time: 299961 milliseconds".
    ("throttl", Cause::Throttled),
    ("backoff", Cause::Throttled),
    // Yahoo: "[LIMIT] APPEND Rate limit hit."; Zoho, Fastmail.
    ("rate limit", Cause::Throttled),
    ("rate exceeded", Cause::Throttled),
    ("too many requests", Cause::Throttled),
    ("too many commands", Cause::Throttled),
    // Gmail: "[OVERQUOTA] Account exceeded command or bandwidth limits."
    ("bandwidth", Cause::Bandwidth),
    ("exceeded command", Cause::Bandwidth),
    // Gmail: "[ALERT] Too many simultaneous connections."; Courier, Zimbra: "too many connections".
    ("too many simultaneous", Cause::Connections),
    ("too many concurrent", Cause::Connections),
    ("too many connections", Cause::Connections),
    ("too many open connections", Cause::Connections),
    ("too many logins", Cause::Connections),
    ("too many sessions", Cause::Connections),
    // Dovecot: "Maximum number of connections from user+IP exceeded"; Exchange: "maximum number".
    ("maximum number of connections", Cause::Connections),
    ("connection limit", Cause::Connections),
    // Exchange: "Server Unavailable. 15"; Domino, Cyrus: "server is busy", "system busy".
    ("server unavailable", Cause::Unavailable),
    ("service unavailable", Cause::Unavailable),
    ("not available at the moment", Cause::Unavailable),
    ("server busy", Cause::Unavailable),
    ("server is busy", Cause::Unavailable),
    // Gmail: "Temporary System Error"; many: "temporarily unavailable", "try again later".
    ("temporary", Cause::Unavailable),
    ("temporarily", Cause::Unavailable),
    ("try again later", Cause::Unavailable),
    ("try later", Cause::Unavailable),
    // Dovecot: "Mailbox is locked"; Courier: "mailbox in use".
    ("is locked", Cause::InUse),
    ("in use", Cause::InUse),
];

impl Temporary {
    /// Reads a refusal, or a BYE, as `[CODE] words`.
    pub fn heard(said: &str) -> Option<Self> {
        let lower = said.to_ascii_lowercase();
        let code = said
            .strip_prefix('[')
            .and_then(|rest| rest.split([']', ' ']).next());
        let code = code.unwrap_or_default();
        if FINAL.iter().any(|known| known.eq_ignore_ascii_case(code)) {
            return None;
        }
        let by_code = CODES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(code));
        let by_words = || WORDS.iter().find(|(words, _)| lower.contains(words));
        // Without such words OVERQUOTA and LIMIT are about the mailbox or the message.
        let (_, mut cause) = *by_words().or(by_code)?;
        if code.eq_ignore_ascii_case("OVERQUOTA") && cause != Cause::Bandwidth {
            return None;
        }
        if let Some((_, by_code)) = by_code.filter(|_| cause == Cause::Unavailable) {
            cause = *by_code;
        }
        Some(Self {
            cause,
            told: told(&lower),
        })
    }
}

/// The time that is told: a number with its unit, behind a word that announces it.
fn told(lower: &str) -> Option<Duration> {
    const ANNOUNCE: [&str; 4] = ["backoff", "retry", "again", "wait"];
    let from = ANNOUNCE.iter().filter_map(|word| lower.find(word)).min()?;
    let rest = &lower[from..];
    let digits = rest.find(|byte: char| byte.is_ascii_digit())?;
    let rest = &rest[digits..];
    let end = rest
        .find(|byte: char| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    let number: u64 = rest[..end].parse().ok()?;
    let unit = rest[end..].trim_start();
    Some(if unit.starts_with("ms") || unit.starts_with("milli") {
        Duration::from_millis(number)
    } else if unit.starts_with("min") {
        Duration::from_secs(number.saturating_mul(60))
    } else if unit.starts_with("hour") || unit.starts_with("h ") {
        Duration::from_secs(number.saturating_mul(3600))
    } else {
        Duration::from_secs(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &str) -> Option<(Cause, Option<u64>)> {
        let temporary = Temporary::heard(said)?;
        let told = temporary
            .told
            .map(|told| u64::try_from(told.as_millis()).expect("short"));
        Some((temporary.cause, told))
    }

    #[test]
    fn what_servers_say_when_they_are_tired() {
        for (said, cause, told) in [
            (
                "Request is throttled. Suggested Backoff Time: 8000 milliseconds",
                Cause::Throttled,
                Some(8000),
            ),
            ("[LIMIT] APPEND Rate limit hit.", Cause::Throttled, None),
            ("[UNAVAILABLE] Temporary failure", Cause::Unavailable, None),
            ("[INUSE] Mailbox is locked", Cause::InUse, None),
            ("[INUSE] please try again later", Cause::InUse, None),
            ("[unavailable]", Cause::Unavailable, None),
            ("Server Unavailable. 15", Cause::Unavailable, None),
            ("[THROTTLED] try later", Cause::Throttled, None),
            (
                "[THROTTLED] retry after 40 s",
                Cause::Throttled,
                Some(40_000),
            ),
            (
                "[ALERT] Too many simultaneous connections. (Failure)",
                Cause::Connections,
                None,
            ),
            (
                "[UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
                Cause::Connections,
                None,
            ),
            ("[LIMIT] too many logins", Cause::Connections, None),
            (
                "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
                Cause::Bandwidth,
                None,
            ),
            (
                "Try again in 5 minutes, server busy",
                Cause::Unavailable,
                Some(300_000),
            ),
        ] {
            assert_eq!(heard(said), Some((cause, told)), "{said}");
        }
    }

    #[test]
    fn what_will_not_pass() {
        for said in [
            "[AUTHENTICATIONFAILED] Invalid credentials",
            "[AUTHENTICATIONFAILED] try again later",
            "[CONTACTADMIN] blocked",
            "[WEBALERT https://example.org] Web login required.",
            "[OVERQUOTA] Quota exceeded, try again later",
            "[TOOBIG] temporary limit",
            "[LIMIT] message too large",
            "[TRYCREATE] no such mailbox",
            "Login failed",
            "",
        ] {
            assert_eq!(heard(said), None, "{said}");
        }
    }
}
