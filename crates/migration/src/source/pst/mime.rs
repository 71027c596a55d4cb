//! Rebuilds a message of a PST as RFC 5322: the same item always gives the same bytes, since a
//! message's identity is its content.
//!
//! Kept as they are: the transport headers (without those that describe the lost MIME structure),
//! the bodies, the attachments. Rebuilt: the MIME structure, and the headers of messages that
//! never travelled.

use std::io::{self, Write};

use super::headers;
use super::ltp::{Bag, Id, Table};
use super::ndb::{Ndb, Node, ReadAt, damaged};
use super::rtf;
use super::store::{code_page, decode_text, encoding, text};
use super::text::{Base64Lines, parameter, quoted_printable};

/// Deepest message within a message that is carried.
const DEEPEST: u32 = 12;

const BODY: Id = 0x1000;
const RTF: Id = 0x1009;
const HTML: Id = 0x1013;

/// A body or an attachment, ready to be written.
enum Part<'a, F> {
    Text {
        subtype: &'static str,
        charset: String,
        bytes: Vec<u8>,
    },
    Rtf(Vec<u8>),
    Attachment(Attachment<'a, F>),
}

enum Content<'a, F> {
    Bytes(Id),
    Message(Bag<'a, F>),
}

struct Attachment<'a, F> {
    bag: Bag<'a, F>,
    content: Content<'a, F>,
    name: Option<String>,
    media: String,
    content_id: Option<String>,
}

/// Writes one item as a message.
pub fn write<F: ReadAt>(ndb: &Ndb<F>, bag: &Bag<'_, F>, out: &mut dyn Write) -> io::Result<()> {
    write_message(ndb, bag, out, 0)
}

fn write_message<F: ReadAt>(
    ndb: &Ndb<F>,
    bag: &Bag<'_, F>,
    out: &mut dyn Write,
    depth: u32,
) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(damaged("messages are nested without end"));
    }
    let page = code_page(bag);
    let bodies = bodies(bag, page)?;
    let attachments = attachments(ndb, bag, page)?;
    let mut headers = Vec::new();
    headers::write(ndb, bag, page, &mut headers)?;
    let seed = seed(&headers, &bodies, depth);
    out.write_all(&headers)?;
    out.write_all(b"MIME-Version: 1.0\r\n")?;
    if attachments.is_empty() {
        return write_bodies(ndb, bodies, &seed, out, depth);
    }
    let boundary = format!("=_mixed_{seed}");
    write!(
        out,
        "Content-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n\r\n"
    )?;
    write!(out, "--{boundary}\r\n")?;
    write_bodies(ndb, bodies, &seed, out, depth)?;
    for attachment in attachments {
        write!(out, "\r\n--{boundary}\r\n")?;
        write_part(ndb, Part::Attachment(attachment), out, depth)?;
    }
    write!(out, "\r\n--{boundary}--\r\n")
}

/// What boundaries are made of: the same content gives the same ones. `=_` cannot occur in a body,
/// since all are base64 or quoted-printable; a message within has its own depth in it.
fn seed<F>(headers: &[u8], bodies: &[Part<'_, F>], depth: u32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&depth.to_le_bytes()).update(headers);
    for body in bodies {
        if let Part::Text { bytes, .. } | Part::Rtf(bytes) = body {
            hasher
                .update(&(bytes.len() as u64).to_le_bytes())
                .update(bytes);
        }
    }
    hasher.finalize().to_hex()[..24].to_owned()
}

fn bodies<'a, F: ReadAt>(bag: &Bag<'a, F>, page: u32) -> io::Result<Vec<Part<'a, F>>> {
    let mut parts = Vec::new();
    if let Some((kind, bytes)) = bag.text(BODY)? {
        parts.push(Part::Text {
            subtype: "plain",
            charset: "utf-8".to_owned(),
            bytes: decode_text(kind, &bytes, page).into_bytes(),
        });
    }
    if let Some(bytes) = bag.binary(HTML)? {
        let page = bag.number(0x3FDE).unwrap_or(page);
        let charset = encoding(page).map_or("windows-1252", encoding_rs::Encoding::name);
        parts.push(Part::Text {
            subtype: "html",
            charset: charset.to_ascii_lowercase(),
            bytes,
        });
    } else if let Some((kind, bytes)) = bag.text(HTML)? {
        parts.push(Part::Text {
            subtype: "html",
            charset: "utf-8".to_owned(),
            bytes: decode_text(kind, &bytes, page).into_bytes(),
        });
    } else if let Some(bytes) = bag.binary(RTF)?.filter(|bytes| !bytes.is_empty()) {
        parts.push(match rtf::html(&rtf::inflate(&bytes)?) {
            Some(html) => Part::Text {
                subtype: "html",
                charset: "utf-8".to_owned(),
                bytes: html.into_bytes(),
            },
            // Formatting that only a word processor shows; the plain text is there too, as a rule.
            None => Part::Rtf(rtf::inflate(&bytes)?),
        });
    }
    if parts.is_empty() {
        parts.push(Part::Text {
            subtype: "plain",
            charset: "us-ascii".to_owned(),
            bytes: Vec::new(),
        });
    }
    Ok(parts)
}

fn write_bodies<F: ReadAt>(
    ndb: &Ndb<F>,
    mut bodies: Vec<Part<'_, F>>,
    seed: &str,
    out: &mut dyn Write,
    depth: u32,
) -> io::Result<()> {
    if bodies.len() == 1
        && let Some(only) = bodies.pop()
    {
        return write_part(ndb, only, out, depth);
    }
    let boundary = format!("=_alternative_{seed}");
    write!(
        out,
        "Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n"
    )?;
    for body in bodies {
        write!(out, "\r\n--{boundary}\r\n")?;
        write_part(ndb, body, out, depth)?;
    }
    write!(out, "\r\n--{boundary}--\r\n")
}

fn write_part<F: ReadAt>(
    ndb: &Ndb<F>,
    part: Part<'_, F>,
    out: &mut dyn Write,
    depth: u32,
) -> io::Result<()> {
    match part {
        Part::Text {
            subtype,
            charset,
            bytes,
        } => {
            write!(out, "Content-Type: text/{subtype}; charset={charset}\r\n")?;
            write!(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n")?;
            quoted_printable(&bytes, out)
        }
        Part::Rtf(bytes) => {
            write!(out, "Content-Type: text/rtf\r\n")?;
            write!(out, "Content-Transfer-Encoding: base64\r\n\r\n")?;
            let mut lines = Base64Lines::new(out);
            lines.write_all(&bytes)?;
            lines.finish()
        }
        Part::Attachment(attachment) => write_attachment(ndb, &attachment, out, depth),
    }
}

fn write_attachment<F: ReadAt>(
    ndb: &Ndb<F>,
    attachment: &Attachment<'_, F>,
    out: &mut dyn Write,
    depth: u32,
) -> io::Result<()> {
    let name = attachment.name.as_deref();
    write!(out, "Content-Type: {}", attachment.media)?;
    if let Some(name) = name {
        write!(out, ";\r\n {}", parameter("name", name))?;
    }
    write!(out, "\r\n")?;
    let disposition = if attachment.content_id.is_some() {
        "inline"
    } else {
        "attachment"
    };
    write!(out, "Content-Disposition: {disposition}")?;
    if let Some(name) = name {
        write!(out, ";\r\n {}", parameter("filename", name))?;
    }
    write!(out, "\r\n")?;
    if let Some(id) = &attachment.content_id {
        write!(out, "Content-ID: <{id}>\r\n")?;
    }
    match &attachment.content {
        Content::Message(bag) => {
            write!(out, "\r\n")?;
            write_message(ndb, bag, out, depth + 1)
        }
        Content::Bytes(id) => {
            write!(out, "Content-Transfer-Encoding: base64\r\n\r\n")?;
            let mut lines = Base64Lines::new(out);
            if let Some(mut data) = attachment.bag.stream(*id)? {
                io::copy(&mut data, &mut lines)?;
            }
            lines.finish()
        }
    }
}

fn attachments<'a, F: ReadAt>(
    ndb: &'a Ndb<F>,
    bag: &Bag<'_, F>,
    page: u32,
) -> io::Result<Vec<Attachment<'a, F>>> {
    let Some(table) = bag.subnodes().of_kind(0x11) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (nid, _) in Table::open(ndb, table)?.row_ids()? {
        let node = bag.subnodes().find(nid);
        let node: Node = node.ok_or_else(|| damaged(format!("attachment {nid:#x} is missing")))?;
        let attachment = Bag::open(ndb, node)?;
        found.push(read_attachment(ndb, attachment, page)?);
    }
    Ok(found)
}

fn read_attachment<'a, F: ReadAt>(
    ndb: &'a Ndb<F>,
    bag: Bag<'a, F>,
    page: u32,
) -> io::Result<Attachment<'a, F>> {
    let clean = |text: String| text.replace(['\r', '\n'], " ");
    let name = match text(&bag, 0x3707, page)? {
        Some(name) => Some(name),
        None => match text(&bag, 0x3704, page)? {
            Some(name) => Some(name),
            None => text(&bag, 0x3001, page)?,
        },
    };
    let content_id = text(&bag, 0x3712, page)?.map(|id| {
        id.chars()
            .filter(|c| c.is_ascii_graphic() && !"<>".contains(*c))
            .collect()
    });
    let mut media = text(&bag, 0x370E, page)?
        .filter(|media| is_media(media))
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    let content = match bag.number(0x3705) {
        // A message within the message.
        Some(5) => {
            let node = bag.object(0x3701)?;
            let node = node.ok_or_else(|| damaged("an attached message is missing"))?;
            "message/rfc822".clone_into(&mut media);
            Content::Message(Bag::open(ndb, node)?)
        }
        // A link to a file that was never in the PST.
        Some(2..=4 | 7) if !bag.has(0x3701) => Content::Bytes(0x3701),
        _ if bag.has(0x3701) => Content::Bytes(0x3701),
        _ => return Err(damaged("an attachment has no content")),
    };
    if matches!(content, Content::Bytes(_)) && media.starts_with("message/") {
        "application/octet-stream".clone_into(&mut media);
    }
    Ok(Attachment {
        bag,
        content,
        name: name.map(clean),
        media,
        content_id: content_id.filter(|id: &String| !id.is_empty()),
    })
}

fn is_media(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c))
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype) && kind != "multipart")
}
