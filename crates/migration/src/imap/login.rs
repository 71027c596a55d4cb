//! Proves who we are, in the way that the server and the accounts file agree on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::command::{is_text, push_quoted};
use super::session::{Capabilities, Session, said};
use super::{Command as Line, Completion, ImapError, Response, Status, Untagged};
use crate::patience::Temporary;
use crate::payload::BodySink;

/// How to log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mechanism {
    /// SASL PLAIN where it is offered, else LOGIN.
    #[default]
    Auto,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// The LOGIN command.
    Login,
    /// Google's and Microsoft's XOAUTH2: the password is an access token.
    XOauth2,
    /// OAUTHBEARER (RFC 7628): the password is an access token.
    OauthBearer,
}

impl Mechanism {
    /// Reads `auto`, `plain`, `login`, `xoauth2` or `oauthbearer`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "plain" => Self::Plain,
            "login" => Self::Login,
            "xoauth2" => Self::XOauth2,
            "oauthbearer" => Self::OauthBearer,
            _ => return None,
        })
    }
}

/// A way to log in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Login {
    /// How.
    pub mechanism: Mechanism,
    /// The administrator whose password it is; the user is then only whom to act for (the
    /// authorization identity of SASL PLAIN).
    pub master: Option<String>,
}

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Host, for OAUTHBEARER.
    pub host: &'a str,
    /// Port, for OAUTHBEARER.
    pub port: u16,
    /// Whose mailbox.
    pub user: &'a str,
    /// Password or token.
    pub password: &'a SecretString,
    /// How.
    pub login: &'a Login,
}

/// A login as the wire carries it.
#[derive(PartialEq, Eq)]
enum Exchange {
    /// AUTHENTICATE: name, first answer, and what ends a refusal that comes as a challenge.
    Sasl(&'static str, String, &'static str),
    /// LOGIN: each part is sent when the server has taken the one before.
    Command(Vec<Vec<u8>>),
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Sasl(name, ..) => name,
            Self::Command(_) => "LOGIN",
        })
    }
}

/// Chooses and writes the exchange: pure. The error is for people.
fn exchange(who: &Credentials<'_>, capabilities: &Capabilities) -> Result<Exchange, String> {
    let secret = who.password.expose_secret();
    let user = who.user;
    let offers = |name: &str| capabilities.has(&format!("AUTH={name}"));
    let master = who.login.master.as_deref().unwrap_or_default();
    if [user, secret, master]
        .iter()
        .any(|text| text.contains(PARTS))
    {
        return Err("a user name or password holds a NUL or Ctrl-A; write it without".to_owned());
    }
    let plain = || {
        let text = match &who.login.master {
            Some(master) => format!("{user}\0{master}\0{secret}"),
            None => format!("\0{user}\0{secret}"),
        };
        Ok(Exchange::Sasl("PLAIN", STANDARD.encode(text), "*"))
    };
    let command = || {
        if who.login.master.is_some() {
            return Err(
                "a master login needs AUTH=PLAIN, which the server does not offer; try the user \
                 column in the form user*master"
                    .to_owned(),
            );
        }
        if capabilities.has("LOGINDISABLED") {
            return Err(
                "it takes no password on this connection (LOGINDISABLED); use imaps:// or \
                 imap+starttls://"
                    .to_owned(),
            );
        }
        Ok(Exchange::Command(login_parts(user, secret)))
    };
    match who.login.mechanism {
        Mechanism::Auto if offers("PLAIN") => plain(),
        Mechanism::Auto | Mechanism::Login => command(),
        Mechanism::Plain => plain(),
        Mechanism::XOauth2 => {
            let text = format!("user={user}\x01auth=Bearer {secret}\x01\x01");
            Ok(Exchange::Sasl("XOAUTH2", STANDARD.encode(text), ""))
        }
        Mechanism::OauthBearer => {
            let name = user.replace('=', "=3D").replace(',', "=2C");
            let (host, port) = (who.host, who.port);
            let text = format!(
                "n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {secret}\x01\x01"
            );
            // RFC 7628, 3.2.3: a refusal is a challenge that %x01 answers.
            Ok(Exchange::Sasl("OAUTHBEARER", STANDARD.encode(text), "AQ=="))
        }
    }
}

/// What parts user and password from each other in an exchange.
const PARTS: [char; 2] = ['\0', '\x01'];

/// LOGIN's line, cut after each literal's size. What a quoted string cannot carry is a literal, and
/// waits: a server that refuses the line must not read a password as a command.
fn login_parts(user: &str, password: &str) -> Vec<Vec<u8>> {
    let mut parts = vec![b"LOGIN".to_vec()];
    for value in [user, password] {
        if let Some(part) = parts.last_mut() {
            part.push(b' ');
            if value.bytes().all(is_text) {
                push_quoted(part, value.as_bytes());
                continue;
            }
            part.extend_from_slice(format!("{{{}}}\r\n", value.len()).as_bytes());
        }
        parts.push(value.as_bytes().to_vec());
    }
    if let Some(last) = parts.last_mut() {
        last.extend_from_slice(b"\r\n");
    }
    parts
}

impl Session {
    /// Logs in; names the program first where the server wants to know.
    pub(super) async fn log_in(&mut self, who: &Credentials<'_>) -> Result<(), ImapError> {
        let exchange = exchange(who, self.capabilities()).map_err(|said| ImapError::Login {
            address: self.address(),
            user: who.user.to_owned(),
            said,
        })?;
        let mut first = Vec::new();
        let introduced = self.capabilities().has("ID");
        let id_tag = self.tag();
        if introduced {
            first.extend_from_slice(format!("{id_tag} ").as_bytes());
            first.extend_from_slice(id_command().line());
            first.extend_from_slice(b"\r\n");
        }
        let tag = self.tag();
        let mut answers: Vec<Vec<u8>> = Vec::new();
        let mut ending = "*";
        match exchange {
            Exchange::Sasl(name, proof, end) => {
                ending = end;
                if self.capabilities().has("SASL-IR") {
                    first.extend_from_slice(
                        format!("{tag} AUTHENTICATE {name} {proof}\r\n").as_bytes(),
                    );
                } else {
                    first.extend_from_slice(format!("{tag} AUTHENTICATE {name}\r\n").as_bytes());
                    answers.push(format!("{proof}\r\n").into_bytes());
                }
            }
            Exchange::Command(parts) => {
                let mut parts = parts.into_iter();
                first.extend_from_slice(format!("{tag} ").as_bytes());
                first.extend_from_slice(&parts.next().unwrap_or_default());
                answers.extend(parts);
            }
        }
        let sent = std::time::Instant::now();
        self.send_bytes(&first).await?;
        self.flush().await?;
        if introduced {
            // A server that does not want to know says NO or BAD; that is its right.
            self.wait(&id_tag, &BodySink::HashOnly, |_| {}).await?;
            self.round_trip = Some(sent.elapsed());
        }
        let mut told = None;
        let done = self.finish_login(&tag, answers, ending, &mut told).await?;
        if done.status != Status::Ok {
            return Err(self.login_refused(who.user, &done));
        }
        let in_code = done.code.as_ref().filter(|code| code.name == "CAPABILITY");
        match (told, in_code) {
            (Some(words), _) => self.capabilities = words,
            (None, Some(_)) => self.learn(done.code.as_ref()),
            (None, None) => self.ask_capabilities().await?,
        }
        if !introduced && self.capabilities().has("ID") {
            self.run(&id_command(), |_| {}).await?;
        }
        Ok(())
    }

    fn login_refused(&self, user: &str, done: &Completion) -> ImapError {
        let (address, user) = (self.address(), user.to_owned());
        let said = said(done);
        if Temporary::heard(&said).is_some() {
            let command = "LOGIN".to_owned();
            return ImapError::Refused {
                address,
                command,
                said,
            };
        }
        ImapError::Login {
            address,
            user,
            said,
        }
    }

    async fn finish_login(
        &mut self,
        tag: &str,
        answers: Vec<Vec<u8>>,
        ending: &str,
        told: &mut Option<Capabilities>,
    ) -> Result<Completion, ImapError> {
        let mut answers = answers.into_iter();
        loop {
            match self.next(&BodySink::HashOnly).await? {
                Response::Continue => {
                    // More is asked for than was announced: a refusal told as a challenge, or an
                    // exchange that must be cancelled.
                    let end = || format!("{ending}\r\n").into_bytes();
                    let answer = answers.next().unwrap_or_else(end);
                    self.send_bytes(&answer).await?;
                    self.flush().await?;
                }
                Response::Untagged(Untagged::Capability(words)) => {
                    *told = Some(words.into_iter().collect());
                }
                Response::Untagged(_) => {}
                Response::Tagged {
                    tag: ended,
                    status,
                    code,
                    text,
                } if ended == tag => {
                    return Ok(Completion {
                        tag: ended,
                        status,
                        code,
                        text,
                    });
                }
                Response::Tagged { tag: ended, .. } => {
                    return Err(self.protocol(format!("{ended} ended out of turn")));
                }
            }
        }
    }
}

fn id_command() -> Line {
    Line::new(concat!(
        "ID (\"name\" \"melouvert\" \"version\" \"",
        env!("CARGO_PKG_VERSION"),
        "\")"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(capabilities: &str, login: &Login, user: &str, password: &str) -> Result<String, String> {
        let words = capabilities.split_ascii_whitespace().map(str::to_owned);
        let password = SecretString::from(password.to_owned());
        let who = Credentials {
            host: "old.example",
            port: 993,
            user,
            password: &password,
            login,
        };
        exchange(&who, &words.collect()).map(|exchange| match exchange {
            Exchange::Sasl(name, proof, _) => {
                let text = STANDARD.decode(proof).expect("base64");
                let text = String::from_utf8(text).expect("text");
                format!("{name} {}", text.replace(['\0', '\x01'], "|"))
            }
            Exchange::Command(parts) => parts
                .iter()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect::<Vec<_>>()
                .join("~"),
        })
    }

    fn by(mechanism: Mechanism, master: Option<&str>) -> Login {
        Login {
            mechanism,
            master: master.map(str::to_owned),
        }
    }

    #[test]
    fn each_way_to_log_in() {
        let auto = Login::default();
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(of("AUTH=PLAIN", &auto, "u", "p"), ok("PLAIN |u|p"));
        assert_eq!(of("", &auto, "u", "p\""), ok("LOGIN \"u\" \"p\\\"\"\r\n"));
        assert_eq!(of("", &auto, "é", "ü"), ok("LOGIN {2}\r\n~é {2}\r\n~ü\r\n"),);
        assert_eq!(
            of("LITERAL+", &auto, "u\r\nx LOGOUT", "ü"),
            ok("LOGIN {11}\r\n~u\r\nx LOGOUT {2}\r\n~ü\r\n"),
        );
        let master = by(Mechanism::Auto, Some("admin"));
        assert_eq!(of("AUTH=PLAIN", &master, "u", "p"), ok("PLAIN u|admin|p"));
        let token = by(Mechanism::XOauth2, None);
        assert_eq!(
            of("", &token, "u", "t"),
            ok("XOAUTH2 user=u|auth=Bearer t||")
        );
        let token = by(Mechanism::OauthBearer, None);
        assert_eq!(
            of("", &token, "a,b=c", "t"),
            ok("OAUTHBEARER n,a=a=2Cb=3Dc,|host=old.example|port=993|auth=Bearer t||"),
        );
    }

    #[test]
    fn refusals_say_what_to_do() {
        let disabled = of("LOGINDISABLED", &Login::default(), "u", "p").expect_err("refused");
        assert!(disabled.contains("imap+starttls://"), "{disabled}");
        let master = by(Mechanism::Auto, Some("admin"));
        let no_plain = of("", &master, "u", "p").expect_err("refused");
        assert!(no_plain.contains("user*master"), "{no_plain}");
        for (user, password) in [("a\0b", "p"), ("a", "p\x01auth=Bearer x")] {
            let parted = of("AUTH=PLAIN", &Login::default(), user, password);
            assert!(parted.expect_err("refused").contains("NUL"));
        }
    }
}
