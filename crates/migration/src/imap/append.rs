//! APPEND: many messages in one command where the server can, without waiting where that is safe.
//!
//! A literal that does not wait (`{n+}`) is on its way before the server has said what it makes of
//! the line. One that refuses the line may go on reading behind it and take the message's own lines
//! for commands. So a literal goes out at once only where no server can refuse to parse what stands
//! before it; otherwise the server is asked first, and a refused message is never sent.

use super::command::{MailboxName, push_quoted};
use super::wire_date::WireDate;
use super::wire_flags::WireFlags;
use super::{Completion, ImapError, Response, Session, Status};
use crate::payload::{BodySink, Payload};

/// Small messages are gathered up to this many bytes before they are sent.
const GATHER: usize = 256 * 1024;

/// One message of an APPEND.
#[derive(Debug)]
pub struct Letter<'a> {
    /// Its flags.
    pub flags: WireFlags,
    /// Its date.
    pub date: Option<WireDate>,
    /// Its bytes.
    pub payload: &'a Payload,
    /// Whether the server is asked before its bytes are sent.
    pub asks: bool,
}

/// An APPEND that was sent.
#[derive(Debug)]
pub struct Sent {
    /// Its tag.
    pub tag: String,
    /// Its end, when it came before all was sent: what follows then was not.
    pub early: Option<Completion>,
    /// Ends of earlier commands that came meanwhile, in order. When one was not understood, the rest
    /// of this one was not sent.
    pub others: Vec<Completion>,
    /// Letters about which the server was to be asked, and said yes.
    pub agreed: usize,
}

impl Session {
    /// Sends one APPEND; its end is read later.
    ///
    /// # Errors
    ///
    /// Of the connection.
    pub async fn append(
        &mut self,
        name: &MailboxName,
        letters: &[Letter<'_>],
    ) -> Result<Sent, ImapError> {
        let plus = self.capabilities().literal_plus() && name.is_plain();
        let tag = self.tag();
        let mut sent = Sent {
            tag: tag.clone(),
            early: None,
            others: Vec::new(),
            agreed: 0,
        };
        let mut pending = format!("{tag} APPEND ").into_bytes();
        push_quoted(&mut pending, name.bytes());
        for letter in letters {
            let asks = letter.asks || !plus;
            head(letter, asks, &mut pending);
            if asks {
                self.send_bytes(&pending).await?;
                self.flush().await?;
                pending.clear();
                match self.wait_for_go(&tag, &mut sent.others).await? {
                    Go::On => sent.agreed += usize::from(letter.asks),
                    Go::Over(done) => {
                        sent.early = Some(done);
                        return Ok(sent);
                    }
                    Go::Nowhere => return Ok(sent),
                }
            }
            self.send_body(letter.payload, &mut pending).await?;
        }
        pending.extend_from_slice(b"\r\n");
        self.send_bytes(&pending).await?;
        self.flush().await?;
        Ok(sent)
    }

    async fn send_body(
        &mut self,
        payload: &Payload,
        pending: &mut Vec<u8>,
    ) -> Result<(), ImapError> {
        if let Some(bytes) = payload.memory() {
            pending.extend_from_slice(bytes);
        } else if let Some(mut chunks) = payload.spilled_chunks().map_err(ImapError::Spill)? {
            loop {
                let chunk = chunks.next_chunk().map_err(ImapError::Spill)?;
                if chunk.is_empty() {
                    break;
                }
                self.send_bytes(pending).await?;
                *pending = chunk;
            }
        }
        if pending.len() >= GATHER {
            self.send_bytes(pending).await?;
            pending.clear();
        }
        Ok(())
    }

    /// Waits for `+`; a tagged answer instead means that the command is over.
    async fn wait_for_go(
        &mut self,
        wanted: &str,
        others: &mut Vec<Completion>,
    ) -> Result<Go, ImapError> {
        loop {
            match self.next(&BodySink::HashOnly).await? {
                Response::Continue => return Ok(Go::On),
                Response::Tagged {
                    tag,
                    status,
                    code,
                    text,
                } => {
                    let done = Completion {
                        tag,
                        status,
                        code,
                        text,
                    };
                    if done.tag == wanted {
                        return Ok(Go::Over(done));
                    }
                    // What comes next may answer a line of a message.
                    let misunderstood = done.status == Status::Bad;
                    others.push(done);
                    if misunderstood {
                        return Ok(Go::Nowhere);
                    }
                }
                Response::Untagged(_) => {}
            }
        }
    }
}

/// What a server says to a literal that waits.
enum Go {
    /// It takes it.
    On,
    /// The command is over.
    Over(Completion),
    /// An earlier command was not understood: nothing more goes over this connection.
    Nowhere,
}

/// What stands before a letter's bytes.
fn head(letter: &Letter<'_>, asks: bool, out: &mut Vec<u8>) {
    let date = letter
        .date
        .map_or(String::new(), |date| format!(" \"{date}\""));
    let plus = if asks { "" } else { "+" };
    let (flags, size) = (&letter.flags, letter.payload.size);
    out.extend_from_slice(format!(" ({flags}){date} {{{size}{plus}}}\r\n").as_bytes());
}
