//! Whether a tenant's volume has room for mail: its own mail server is asked, since nobody else sees
//! the volume. Exim answers 452 to a sender when less than `check_spool_space` (10 MB) is free; the
//! queue and the mailboxes are on the same volume. No size is announced: Exim adds it to what is free
//! instead of taking it off, and would then never refuse.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    net::TcpStream,
    time::timeout,
};

use super::{ObserveError, PATIENCE, smtp::Dialogue};

/// How often all spaces are asked.
pub const INTERVAL: Duration = Duration::from_mins(5);

/// Asks the server at `address`; `Err(Answer)` holds its words when it has no room.
pub async fn ask(address: &str) -> Result<(), ObserveError> {
    let talk = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|source| ObserveError::Connect {
                address: address.into(),
                source,
            })?;
        converse(stream, address).await
    };
    timeout(PATIENCE, talk).await.unwrap_or_else(|_| {
        Err(ObserveError::Late {
            address: address.into(),
        })
    })
}

/// Whether an answer means that there is no room (RFC 5321 4.2.3: 452).
pub fn is_full(error: &ObserveError) -> bool {
    matches!(error, ObserveError::Answer { found, .. } if found.starts_with("452"))
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    address: &str,
) -> Result<(), ObserveError> {
    let mut dialogue = Dialogue {
        stream: BufStream::new(stream),
        address,
    };
    dialogue.expect("a greeting", "220").await?;
    dialogue.ehlo("operator.melouvert").await?;
    dialogue
        .say("MAIL FROM:<>", "room for a message", "250")
        .await?;
    // Nothing was sent: how the server says goodbye changes nothing.
    let _ = dialogue.say("QUIT", "a goodbye", "221").await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    use super::*;

    async fn against(mail: &'static str) -> Result<(), ObserveError> {
        let (ours, theirs) = tokio::io::duplex(4096);
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(theirs);
            stream.write_all(b"220 mail ESMTP\r\n").await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 0 {
                let answer = match std::mem::take(&mut line) {
                    told if told.starts_with("EHLO") => "250-mail\r\n250 SIZE 52428800",
                    told if told.trim_end() == "MAIL FROM:<>" => mail,
                    told if told.starts_with("QUIT") => "221 bye",
                    told => panic!("{told}"),
                };
                stream
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .unwrap();
            }
        });
        let result = converse(ours, "mail:1025").await;
        server.await.unwrap();
        result
    }

    #[tokio::test]
    async fn no_room_is_told_from_other_refusals() {
        assert!(against("250 OK").await.is_ok());
        let full = against("452 Space shortage, please try later")
            .await
            .unwrap_err();
        assert!(is_full(&full), "{full}");
        assert!(!is_full(&against("451 try later").await.unwrap_err()));
    }
}
