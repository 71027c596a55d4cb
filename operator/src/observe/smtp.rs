//! A test delivery through the region's inbound relay, as any other mail server would make it.

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufStream},
    net::TcpStream,
    time::timeout,
};

use super::{ObserveError, PATIENCE, line, tls};

/// What is delivered, to whom.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// The relay's host name, which its certificate carries.
    pub relay: &'a str,
    /// Its port.
    pub port: u16,
    /// The region's root, PEM.
    pub root_pem: &'a str,
    /// The name given in EHLO and in the header.
    pub sender_host: &'a str,
    /// Whom it is for.
    pub recipient: &'a str,
    /// What makes the message one of a kind, in its Message-ID.
    pub id: &'a str,
    /// The date of the message, RFC 5322.
    pub date: &'a str,
}

/// Delivers and returns once the relay answered 250 to the whole message.
///
/// TLS is used when offered, then always verified (RFC 3207).
pub async fn deliver(delivery: &Delivery<'_>) -> Result<(), ObserveError> {
    let address = format!("{}:{}", delivery.relay, delivery.port);
    timeout(PATIENCE * 3, talk(delivery, &address))
        .await
        .unwrap_or_else(|_| {
            Err(ObserveError::Late {
                address: address.clone(),
            })
        })
}

async fn talk(delivery: &Delivery<'_>, address: &str) -> Result<(), ObserveError> {
    let peer = Peer {
        relay: delivery.relay,
        root_pem: delivery.root_pem,
        sender_host: delivery.sender_host,
    };
    match open(&peer, address).await? {
        Open::Plain(mut dialogue) => hand_over(&mut dialogue, delivery).await,
        Open::Sealed(mut dialogue) => hand_over(&mut *dialogue, delivery).await,
    }
}

/// Whom one speaks to, and as whom.
pub(super) struct Peer<'a> {
    pub relay: &'a str,
    pub root_pem: &'a str,
    pub sender_host: &'a str,
}

/// A conversation past EHLO.
pub(super) enum Open<'a> {
    Plain(Dialogue<'a, TcpStream>),
    Sealed(Box<Dialogue<'a, tokio_rustls::client::TlsStream<TcpStream>>>),
}

/// Connects, greets, and starts TLS when it is offered.
pub(super) async fn open<'a>(peer: &Peer<'_>, address: &'a str) -> Result<Open<'a>, ObserveError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| ObserveError::Connect {
            address: address.into(),
            source,
        })?;
    let mut plain = Dialogue {
        stream: BufStream::new(stream),
        address,
    };
    plain.expect("a greeting", "220").await?;
    let offered = plain.ehlo(peer.sender_host).await?;
    if !offered
        .iter()
        .any(|word| word.eq_ignore_ascii_case("STARTTLS"))
    {
        return Ok(Open::Plain(plain));
    }
    plain.say("STARTTLS", "leave to start TLS", "220").await?;
    let stream = plain.stream.into_inner();
    let stream = tls::open(stream, peer.relay, address, peer.root_pem).await?;
    let mut sealed = Dialogue {
        stream: BufStream::new(stream),
        address,
    };
    sealed.ehlo(peer.sender_host).await?;
    Ok(Open::Sealed(Box::new(sealed)))
}

async fn hand_over<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    delivery: &Delivery<'_>,
) -> Result<(), ObserveError> {
    // The null sender: a bounce of this message would go nowhere (RFC 5321 4.5.5).
    dialogue
        .say("MAIL FROM:<>", "a sender accepted", "250")
        .await?;
    let recipient = format!("RCPT TO:<{}>", delivery.recipient);
    dialogue
        .say(&recipient, "the recipient accepted", "250")
        .await?;
    dialogue
        .say("DATA", "leave to send the message", "354")
        .await?;
    dialogue
        .say(&message(delivery), "the message accepted", "250")
        .await?;
    // The delivery is done: how the relay says goodbye changes nothing.
    let _ = dialogue.say("QUIT", "a goodbye", "221").await;
    Ok(())
}

/// The message and the final dot; no line starts with a dot.
fn message(delivery: &Delivery<'_>) -> String {
    let Delivery {
        sender_host,
        recipient,
        id,
        date,
        ..
    } = delivery;
    format!(
        "Date: {date}\r\nFrom: Melouvert <melouvert@{sender_host}>\r\nTo: <{recipient}>\r\n\
         Subject: =?UTF-8?Q?V=C3=A9rification_de_l=27espace?=\r\nMessage-ID: <{id}@{sender_host}>\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Ce message v=C3=A9rifie que l=27espace re=C3=A7oit le courrier.\r\n."
    )
}

/// A conversation with a server.
pub(super) struct Dialogue<'a, S> {
    pub(super) stream: BufStream<S>,
    pub(super) address: &'a str,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    pub(super) async fn say(
        &mut self,
        command: &str,
        expected: &'static str,
        code: &str,
    ) -> Result<Vec<String>, ObserveError> {
        self.send(command).await?;
        self.expect(expected, code).await
    }

    /// Says something whatever the answer, and returns its last line.
    pub(super) async fn ask(&mut self, command: &str) -> Result<String, ObserveError> {
        const LONGEST: usize = 100;
        self.send(command).await?;
        let address = self.address;
        for _ in 0..LONGEST {
            let reply = line(&mut self.stream)
                .await
                .map_err(|source| ObserveError::Talk {
                    address: address.into(),
                    source,
                })?;
            if reply.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply);
            }
        }
        Err(ObserveError::Answer {
            address: address.into(),
            expected: "the end of an answer",
            found: format!("{LONGEST} lines"),
        })
    }

    async fn send(&mut self, command: &str) -> Result<(), ObserveError> {
        let sent = async {
            self.stream.write_all(command.as_bytes()).await?;
            self.stream.write_all(b"\r\n").await?;
            self.stream.flush().await
        };
        let address = self.address;
        sent.await.map_err(|source| ObserveError::Talk {
            address: address.into(),
            source,
        })
    }

    /// Says EHLO and returns the extensions' keywords.
    pub(super) async fn ehlo(&mut self, host: &str) -> Result<Vec<String>, ObserveError> {
        let lines = self
            .say(&format!("EHLO {host}"), "a list of extensions", "250")
            .await?;
        let keyword = |line: &String| line.split_whitespace().next().map(str::to_owned);
        Ok(lines.iter().skip(1).filter_map(keyword).collect())
    }

    /// Reads a whole reply (RFC 5321 4.2.1) and returns its texts if it has this code.
    pub(super) async fn expect(
        &mut self,
        expected: &'static str,
        code: &str,
    ) -> Result<Vec<String>, ObserveError> {
        const LONGEST: usize = 100;
        let address = self.address;
        let mut texts = Vec::new();
        loop {
            let reply = line(&mut self.stream)
                .await
                .map_err(|source| ObserveError::Talk {
                    address: address.into(),
                    source,
                })?;
            if reply.get(..3) != Some(code) || texts.len() > LONGEST {
                let (address, found) = (address.into(), reply);
                return Err(ObserveError::Answer {
                    address,
                    expected,
                    found,
                });
            }
            let more = reply.as_bytes().get(3) == Some(&b'-');
            texts.push(reply.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok(texts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;

    fn delivery() -> Delivery<'static> {
        Delivery {
            relay: "127.0.0.1",
            port: 0,
            root_pem: "",
            sender_host: "operator.example",
            recipient: "postmaster@caen.example",
            id: "1",
            date: "Tue, 24 Nov 2026 17:00:00 +0000",
        }
    }

    /// Answers like a server that refuses at `refuse`, and returns what it was told.
    async fn converse(refuse: Option<&str>) -> (Result<(), ObserveError>, Vec<String>) {
        let (ours, theirs) = tokio::io::duplex(4096);
        let refuse = refuse.map(str::to_owned);
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(theirs);
            let (mut told, mut line, mut body) = (Vec::new(), String::new(), false);
            while stream.read_line(&mut line).await.unwrap() > 0 {
                let text = std::mem::take(&mut line).trim_end().to_owned();
                let answer = match text.as_str() {
                    "." => {
                        body = false;
                        "250 queued"
                    }
                    _ if body => {
                        told.push(text);
                        continue;
                    }
                    "DATA" => {
                        body = true;
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    other
                        if refuse
                            .as_deref()
                            .is_some_and(|word| other.starts_with(word)) =>
                    {
                        "550 no"
                    }
                    _ => "250-ok\r\n250 ok",
                };
                told.push(text);
                stream
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .unwrap();
            }
            told
        });
        let mut dialogue = Dialogue {
            stream: BufStream::new(ours),
            address: "relay:25",
        };
        let result = hand_over(&mut dialogue, &delivery()).await;
        drop(dialogue);
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_message_is_handed_over_whole() {
        let (result, told) = converse(None).await;
        result.unwrap();
        assert_eq!(
            told[..3],
            ["MAIL FROM:<>", "RCPT TO:<postmaster@caen.example>", "DATA"]
        );
        assert!(told.contains(&"Message-ID: <1@operator.example>".to_owned()));
        let dots = told.iter().filter(|line| line.starts_with('.')).count();
        assert_eq!(dots, 1, "only the final dot");
    }

    #[tokio::test]
    async fn a_refused_recipient_is_an_error_that_quotes_the_server() {
        let (result, told) = converse(Some("RCPT")).await;
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("the recipient accepted") && error.contains("550 no"),
            "{error}"
        );
        assert!(!told.contains(&"DATA".to_owned()));
    }
}
