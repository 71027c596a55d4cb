//! What the inbound relay answers for a recipient, as any other mail server would hear it. Nothing is
//! sent.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    ObserveError, PATIENCE,
    smtp::{Dialogue, Open, Peer, open},
};

/// Whom to ask.
#[derive(Debug, Clone)]
pub struct Relay<'a> {
    /// The relay's host name, which its certificate carries.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The region's root, PEM.
    pub root_pem: &'a str,
    /// The name given in EHLO.
    pub sender_host: &'a str,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx.
    Taken,
    /// 4xx: the sender tries again.
    PutOff(String),
    /// 5xx: the sender gives up.
    Refused(String),
}

impl Answer {
    fn read(line: String) -> Self {
        match line.as_bytes().first() {
            Some(b'2') => Self::Taken,
            Some(b'5') => Self::Refused(line),
            _ => Self::PutOff(line),
        }
    }
}

/// Asks for each recipient in one conversation; as many answers as came before it broke off, and
/// why it did. When the relay cannot be reached, that is everybody's answer.
pub async fn ask(relay: &Relay<'_>, recipients: &[String]) -> Vec<(String, Answer)> {
    let address = format!("{}:{}", relay.host, relay.port);
    let peer = Peer {
        relay: relay.host,
        root_pem: relay.root_pem,
        sender_host: relay.sender_host,
    };
    let late = || ObserveError::Late {
        address: address.clone(),
    };
    let opened = timeout(PATIENCE, open(&peer, &address)).await;
    match opened.unwrap_or_else(|_| Err(late())) {
        Ok(Open::Plain(mut dialogue)) => talk(&mut dialogue, recipients).await,
        Ok(Open::Sealed(mut dialogue)) => talk(&mut *dialogue, recipients).await,
        Err(error) => {
            let why = crate::errors::chain(&error);
            let all = recipients.iter().cloned();
            all.map(|one| (one, Answer::PutOff(why.clone()))).collect()
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    recipients: &[String],
) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for recipient in recipients {
        // Its own envelope: a relay limits how many refusals one may hold. The callout behind it
        // takes as long as a space's servers do.
        let answer = timeout(PATIENCE * 3, async {
            dialogue.ask("RSET").await?;
            dialogue
                .say("MAIL FROM:<>", "a sender accepted", "250")
                .await?;
            dialogue.ask(&format!("RCPT TO:<{recipient}>")).await
        });
        match answer.await {
            Ok(Ok(line)) => answers.push((recipient.clone(), Answer::read(line))),
            Ok(Err(error)) => {
                let error = crate::errors::chain(&error);
                tracing::warn!(error, "the relay was not asked for every domain");
                return answers;
            }
            Err(_) => {
                answers.push((recipient.clone(), Answer::PutOff("no answer".into())));
                return answers;
            }
        }
    }
    // Everything was asked: how the relay says goodbye changes nothing.
    let _ = timeout(PATIENCE, dialogue.ask("QUIT")).await;
    answers
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufStream};

    use super::*;

    #[tokio::test]
    async fn each_recipient_has_its_answer_and_nothing_is_sent() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(theirs);
            let (mut told, mut line) = (Vec::new(), String::new());
            while stream.read_line(&mut line).await.unwrap() > 0 {
                let text = std::mem::take(&mut line).trim_end().to_owned();
                let answer = match text.as_str() {
                    "RCPT TO:<postmaster@away.example>" => "451-wait\r\n451 later",
                    "RCPT TO:<postmaster@gone.example>" => "550 no",
                    "RCPT TO:<postmaster@cut.example>" => break,
                    _ => "250 ok",
                };
                told.push(text);
                let answer = format!("{answer}\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            told
        });
        let mut dialogue = Dialogue {
            stream: BufStream::new(ours),
            address: "relay:25",
        };
        let domains = ["good", "away", "gone", "cut", "never"];
        let all = domains.map(|name| format!("postmaster@{name}.example"));
        let answers = talk(&mut dialogue, &all).await;
        let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
        assert_eq!(
            answers,
            [
                Answer::Taken,
                Answer::PutOff("451 later".into()),
                Answer::Refused("550 no".into()),
            ]
        );
        drop(dialogue);
        let told = server.await.unwrap();
        assert!(!told.iter().any(|line| line == "DATA"), "{told:?}");
    }

    #[tokio::test]
    async fn a_relay_that_is_away_puts_everybody_off() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let relay = Relay {
            host: "127.0.0.1",
            port,
            root_pem: "",
            sender_host: "operator.example",
        };
        let answers = ask(&relay, &["postmaster@a.example".to_owned()]).await;
        assert!(
            matches!(&answers[..], [(_, Answer::PutOff(_))]),
            "{answers:?}"
        );
    }
}
