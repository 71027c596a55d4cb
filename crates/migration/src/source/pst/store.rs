//! The upper layer of a PST ([MS-PST] 2.4): folders, their messages, named properties, text.

use std::collections::{BTreeMap, HashSet};
use std::io;

use super::ltp::{Bag, Id, Table};
use super::ndb::{Ndb, Nid, Node, ReadAt, damaged, u16_at, u32_at};

const STORE: Nid = 0x21;
const NAMES: Nid = 0x61;
const ROOT_FOLDER: Nid = 0x122;
const HIERARCHY: Nid = 0x0D;
const CONTENTS: Nid = 0x0E;
/// Deepest folder that is followed.
const DEEPEST: usize = 64;

/// Sets of named properties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Set {
    Appointment,
    Task,
    Address,
    Common,
    Meeting,
}

/// Numbers of named properties in this file.
pub type Names = BTreeMap<(Set, u32), Id>;

/// One folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PstFolder {
    /// Its node.
    pub nid: Nid,
    /// Names from the top.
    pub path: Vec<String>,
    /// What it holds, such as `IPF.Appointment`.
    pub class: String,
    /// Items that the folder says it holds.
    pub count: Option<u32>,
}

/// Turns a text into UTF-8; `page` is the code page of texts that are not UTF-16.
pub fn decode_text(kind: u16, bytes: &[u8], page: u32) -> String {
    let text = if kind == 0x001F {
        let units = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    } else {
        let encoding = encoding(page).unwrap_or(encoding_rs::WINDOWS_1252);
        encoding.decode_without_bom_handling(bytes).0.into_owned()
    };
    text.trim_end_matches('\0').to_owned()
}

/// The encoding of a Windows code page.
pub fn encoding(page: u32) -> Option<&'static encoding_rs::Encoding> {
    let label = match page {
        65001 => "utf-8".to_owned(),
        20127 => "us-ascii".to_owned(),
        932 | 50220..=50222 => if page == 932 {
            "shift_jis"
        } else {
            "iso-2022-jp"
        }
        .to_owned(),
        936 => "gbk".to_owned(),
        54936 => "gb18030".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        51932 => "euc-jp".to_owned(),
        20866 => "koi8-r".to_owned(),
        21866 => "koi8-u".to_owned(),
        10000 => "macintosh".to_owned(),
        874 | 1250..=1258 => format!("windows-{page}"),
        28591..=28606 => format!("iso-8859-{}", page - 28590),
        _ => return None,
    };
    encoding_rs::Encoding::for_label(label.as_bytes())
}

/// A text property in UTF-8.
pub fn text<F: ReadAt>(bag: &Bag<'_, F>, id: Id, page: u32) -> io::Result<Option<String>> {
    let text = bag
        .text(id)?
        .map(|(kind, bytes)| decode_text(kind, &bytes, page));
    Ok(text.filter(|text| !text.is_empty()))
}

/// The code page of a message's texts.
pub fn code_page<F: ReadAt>(bag: &Bag<'_, F>) -> u32 {
    bag.number(0x3FFD)
        .or_else(|| bag.number(0x3FDE))
        .unwrap_or(1252)
}

/// Reads which numbers named properties have.
pub fn names<F: ReadAt>(ndb: &Ndb<F>) -> io::Result<Names> {
    let mut names = Names::new();
    let Some(node) = ndb.node(NAMES)? else {
        return Ok(names);
    };
    let bag = Bag::open(ndb, node)?;
    let sets = bag.binary(0x0002)?.unwrap_or_default();
    let entries = bag.binary(0x0003)?.unwrap_or_default();
    for entry in entries.chunks_exact(8) {
        let (Some(number), Some(set), Some(place)) =
            (u32_at(entry, 0), u16_at(entry, 4), u16_at(entry, 6))
        else {
            continue;
        };
        let guid = usize::from(set >> 1)
            .checked_sub(3)
            .and_then(|place| sets.chunks_exact(16).nth(place));
        if set & 1 == 0
            && let Some(set) = guid.and_then(known_set)
            && let Some(id) = 0x8000_u16.checked_add(place)
        {
            names.insert((set, number), id);
        }
    }
    Ok(names)
}

fn known_set(guid: &[u8]) -> Option<Set> {
    const TAIL: [u8; 8] = [0xC0, 0, 0, 0, 0, 0, 0, 0x46];
    const MEETING: [u8; 16] = [
        0x90, 0xDA, 0xD8, 0x6E, 0x0B, 0x45, 0x1B, 0x10, 0x98, 0xDA, 0, 0xAA, 0, 0x3F, 0x13, 0x05,
    ];
    if guid == MEETING {
        return Some(Set::Meeting);
    }
    if guid.get(8..)? != TAIL || guid.get(1..8)? != [0x20, 0x06, 0, 0, 0, 0, 0] {
        return None;
    }
    match guid[0] {
        0x02 => Some(Set::Appointment),
        0x03 => Some(Set::Task),
        0x04 => Some(Set::Address),
        0x08 => Some(Set::Common),
        _ => None,
    }
}

/// Lists the folders that the user sees, parents first.
pub fn folders<F: ReadAt>(ndb: &Ndb<F>) -> io::Result<Vec<PstFolder>> {
    let top = top_folder(ndb)?;
    let mut found = Vec::new();
    let mut seen = HashSet::from([top]);
    let mut left = vec![(top, Vec::new())];
    while let Some((nid, path)) = left.pop() {
        let (description, class, count) = describe(ndb, nid)?;
        let path: Vec<String> = if nid == top {
            Vec::new()
        } else {
            path.into_iter().chain([description]).collect()
        };
        if path.len() > DEEPEST {
            return Err(damaged("folders are nested without end"));
        }
        let mut below = subfolders(ndb, nid)?;
        below.retain(|below| seen.insert(*below));
        // The last one pushed is the next one taken.
        left.extend(below.into_iter().rev().map(|below| (below, path.clone())));
        found.push(PstFolder {
            nid,
            path,
            class,
            count,
        });
    }
    Ok(below_ipm(found))
}

/// An OST names no top of what its user sees: it is the folder `IPM_SUBTREE` of the mailbox, beside
/// that of the public folders.
fn below_ipm(folders: Vec<PstFolder>) -> Vec<PstFolder> {
    let is_top = |folder: &&PstFolder| {
        folder.path.len() == 2
            && folder.path[1] == "IPM_SUBTREE"
            && folder.path[0] != "Root - Public"
    };
    let Some(top) = folders
        .iter()
        .find(is_top)
        .map(|folder| folder.path.clone())
    else {
        return folders;
    };
    let inside = folders
        .into_iter()
        .filter(|folder| folder.path.starts_with(&top));
    inside
        .map(|mut folder| {
            folder.path.drain(..top.len());
            folder
        })
        .collect()
}

fn top_folder<F: ReadAt>(ndb: &Ndb<F>) -> io::Result<Nid> {
    if let Some(store) = ndb.node(STORE)? {
        let store = Bag::open(ndb, store)?;
        // PidTagIpmSubTreeEntryId: flags, the store's identity, the node.
        let entry = store.binary(0x35E0)?;
        if let Some(nid) = entry.and_then(|entry| u32_at(&entry, 20))
            && ndb.node(nid)?.is_some()
        {
            return Ok(nid);
        }
    }
    match ndb.node(ROOT_FOLDER)? {
        Some(_) => Ok(ROOT_FOLDER),
        None => Err(damaged("the PST has no folders")),
    }
}

fn describe<F: ReadAt>(ndb: &Ndb<F>, nid: Nid) -> io::Result<(String, String, Option<u32>)> {
    let unnamed = || (format!("dossier-{nid:x}"), String::new(), None);
    let Some(node) = ndb.node(nid)? else {
        return Ok(unnamed());
    };
    let Ok(bag) = Bag::open(ndb, node) else {
        return Ok(unnamed());
    };
    let page = code_page(&bag);
    let name = text(&bag, 0x3001, page)?.unwrap_or_else(|| unnamed().0);
    let class = text(&bag, 0x3613, page)?.unwrap_or_default();
    Ok((name, class, bag.number(0x3602)))
}

fn subfolders<F: ReadAt>(ndb: &Ndb<F>, nid: Nid) -> io::Result<Vec<Nid>> {
    let Some(table) = ndb.node((nid & !0x1F) | HIERARCHY)? else {
        return Ok(Vec::new());
    };
    let rows = Table::open(ndb, table)?.row_ids()?;
    // Search folders hold no items of their own.
    Ok(rows
        .into_iter()
        .map(|(nid, _)| nid)
        .filter(|nid| nid & 0x1F == 2)
        .collect())
}

/// Nodes of a folder's items.
pub fn items<F: ReadAt>(ndb: &Ndb<F>, folder: Nid) -> io::Result<Vec<Nid>> {
    let Some(table) = ndb.node((folder & !0x1F) | CONTENTS)? else {
        return Ok(Vec::new());
    };
    let rows = Table::open(ndb, table)?.row_ids()?;
    Ok(rows.into_iter().map(|(nid, _)| nid).collect())
}

/// One item's properties.
pub fn item<F: ReadAt>(ndb: &Ndb<F>, nid: Nid) -> io::Result<Bag<'_, F>> {
    let node: Option<Node> = ndb.node(nid)?;
    Bag::open(
        ndb,
        node.ok_or_else(|| damaged(format!("node {nid:#x} is missing")))?,
    )
}
