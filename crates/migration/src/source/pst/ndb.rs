//! The lowest layer of a PST or OST file ([MS-PST] 2.2): its header, the B-trees of nodes and
//! blocks, data and subnode trees. Everything is read where it is needed; only a few pages and
//! blocks are remembered.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use super::crypt;
use super::data::{DataBlocks, DataReader, Subnodes};
pub use super::file::ReadAt;
use super::file::Remembered;
pub(super) use super::file::{damaged, u16_at, u32_at, u64_at};

/// A node's number.
pub type Nid = u32;
/// A block's number.
pub type Bid = u64;

/// Deepest B-tree that is followed: 8 levels hold more than any file can.
const DEEPEST: usize = 8;
/// Pages and blocks remembered.
const REMEMBERED: usize = 64;
/// Largest data block of any format.
const LARGEST_BLOCK: usize = 65_536;
/// Entries of one subnode tree: bounds what a damaged file makes us do.
const MOST_SUBNODES: usize = 1 << 20;

/// Blocks of one data tree: 4 GiB in the smallest blocks that Outlook fills.
const MOST_BLOCKS: usize = 1 << 20;

/// The three file formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Outlook 97 to 2002.
    Ansi,
    /// Since Outlook 2003.
    Unicode,
    /// OST since Outlook 2013: pages of 4 KiB, blocks of 64 KiB, perhaps deflated.
    Unicode4k,
}

impl Format {
    fn page(self) -> usize {
        if self == Self::Unicode4k { 4096 } else { 512 }
    }

    /// Bytes of a number in trees.
    pub(super) fn word(self) -> usize {
        if self == Self::Ansi { 4 } else { 8 }
    }
}

/// Where a node's data and subnodes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// The data tree.
    pub data: Bid,
    /// The subnode tree; 0 for none.
    pub sub: Bid,
}

struct BlockPlace {
    offset: u64,
    stored: usize,
    size: usize,
}

/// An open file.
pub struct Ndb<F> {
    file: F,
    /// Its format.
    pub format: Format,
    encoding: u8,
    size: u64,
    nodes: u64,
    blocks: u64,
    pages: RefCell<Remembered<u64>>,
    data: RefCell<Remembered<Bid>>,
}

impl<F: ReadAt> Ndb<F> {
    /// Reads the header.
    pub fn open(file: F) -> io::Result<Self> {
        let mut header = [0; 516];
        file.read_exact_at(&mut header, 0)
            .map_err(|_| damaged("the file is too short to be a PST"))?;
        if &header[..4] != b"!BDN" {
            return Err(damaged(
                "the file is not a PST: it does not begin with !BDN",
            ));
        }
        let format = match u16_at(&header, 10) {
            Some(14 | 15) => Format::Ansi,
            Some(20..=35) => Format::Unicode,
            Some(36..) => Format::Unicode4k,
            version => return Err(damaged(format!("PST version {version:?} is unknown"))),
        };
        let root = |at| match format {
            Format::Ansi => u32_at(&header, at).map(u64::from),
            _ => u64_at(&header, at),
        };
        let (nodes, blocks, encoding) = match format {
            Format::Ansi => (root(0xBC), root(0xC4), header[0x1CD]),
            _ => (root(0xE0), root(0xF0), header[0x201]),
        };
        if encoding > 2 {
            return Err(damaged(format!(
                "the encoding {encoding} is unknown; remove the file's protection in Outlook"
            )));
        }
        let size = file.size()?;
        Ok(Self {
            file,
            format,
            encoding,
            size,
            nodes: nodes.unwrap_or(0),
            blocks: blocks.unwrap_or(0),
            pages: RefCell::new(Remembered::new()),
            data: RefCell::new(Remembered::new()),
        })
    }

    fn page(&self, offset: u64) -> io::Result<Rc<[u8]>> {
        if let Some(page) = self.pages.borrow_mut().get(&offset) {
            return Ok(page);
        }
        let mut page = vec![0; self.format.page()];
        self.file.read_exact_at(&mut page, offset)?;
        let page: Rc<[u8]> = page.into();
        self.pages
            .borrow_mut()
            .put(offset, Rc::clone(&page), REMEMBERED);
        Ok(page)
    }

    /// Entries of a B-tree page: their size, their level, and the bytes.
    fn entries(&self, page: &[u8]) -> io::Result<(usize, u8, usize)> {
        let read = match self.format {
            Format::Ansi => (usize::from(page[496]), page[498], page[499]),
            Format::Unicode => (usize::from(page[488]), page[490], page[491]),
            Format::Unicode4k => (
                usize::from(u16_at(page, 4056).unwrap_or(0)),
                page[4060],
                page[4061],
            ),
        };
        let (count, size, level) = read;
        let size = usize::from(size);
        if size == 0 || count * size > page.len() {
            return Err(damaged("a page of the index is damaged"));
        }
        Ok((size, level, count))
    }

    /// Finds the leaf entry with a key.
    fn find(&self, root: u64, key: u64, mask: u64) -> io::Result<Option<Vec<u8>>> {
        let word = self.format.word();
        let read_key = |entry: &[u8]| match word {
            4 => u32_at(entry, 0).map(u64::from),
            _ => u64_at(entry, 0),
        };
        let mut offset = root;
        for _ in 0..DEEPEST {
            let page = self.page(offset)?;
            let (size, level, count) = self.entries(&page)?;
            let mut found = None;
            for entry in page.chunks_exact(size).take(count) {
                let entry_key = read_key(entry).unwrap_or(u64::MAX) & mask;
                if level == 0 && entry_key == key {
                    return Ok(Some(entry.to_vec()));
                }
                if entry_key > key {
                    break;
                }
                found = Some(entry);
            }
            if level == 0 {
                return Ok(None);
            }
            let Some(entry) = found else {
                return Ok(None);
            };
            offset = match word {
                4 => u32_at(entry, 8).map(u64::from),
                _ => u64_at(entry, 16),
            }
            .ok_or_else(|| damaged("an entry of the index is cut off"))?;
        }
        Err(damaged("the index is deeper than any file needs"))
    }

    /// Finds a node.
    pub fn node(&self, nid: Nid) -> io::Result<Option<Node>> {
        let word = self.format.word();
        let Some(entry) = self.find(self.nodes, u64::from(nid), 0xFFFF_FFFF)? else {
            return Ok(None);
        };
        let bid = |at| match word {
            4 => u32_at(&entry, at).map(u64::from),
            _ => u64_at(&entry, at),
        };
        Ok(Some(Node {
            data: bid(word).unwrap_or(0),
            sub: bid(2 * word).unwrap_or(0),
        }))
    }

    fn place(&self, bid: Bid) -> io::Result<BlockPlace> {
        let missing = || damaged(format!("block {bid:#x} is missing"));
        // The lowest bit means nothing.
        let entry = self.find(self.blocks, bid & !1, !1)?.ok_or_else(missing)?;
        let read = match self.format {
            Format::Ansi => (u32_at(&entry, 4).map(u64::from), u16_at(&entry, 8), None),
            Format::Unicode => (u64_at(&entry, 8), u16_at(&entry, 16), None),
            Format::Unicode4k => (u64_at(&entry, 8), u16_at(&entry, 16), u16_at(&entry, 18)),
        };
        let (Some(offset), Some(stored), inflated) = read else {
            return Err(missing());
        };
        let stored = usize::from(stored);
        Ok(BlockPlace {
            offset,
            stored,
            size: inflated.map_or(stored, usize::from),
        })
    }

    /// One block as it is meant: decoded, inflated.
    pub fn block(&self, bid: Bid) -> io::Result<Rc<[u8]>> {
        if let Some(block) = self.data.borrow_mut().get(&bid) {
            return Ok(block);
        }
        let place = self.place(bid)?;
        let mut bytes = vec![0; place.stored];
        self.file.read_exact_at(&mut bytes, place.offset)?;
        if place.size > place.stored {
            let mut inflated = Vec::with_capacity(place.size);
            flate2::read::ZlibDecoder::new(bytes.as_slice())
                .take(LARGEST_BLOCK as u64)
                .read_to_end(&mut inflated)
                .map_err(|_| damaged(format!("block {bid:#x} does not inflate")))?;
            bytes = inflated;
        }
        if bid & 2 == 0 {
            crypt::decode(self.encoding, bid, &mut bytes);
        }
        let block: Rc<[u8]> = bytes.into();
        self.data.borrow_mut().put(bid, Rc::clone(&block), 16);
        Ok(block)
    }

    /// Numbers of the blocks that hold a node's data, in order.
    pub fn data_blocks(&self, data: Bid) -> io::Result<DataBlocks> {
        let one = |blocks| DataBlocks {
            blocks,
            bytes: LARGEST_BLOCK as u64,
        };
        if data == 0 {
            return Ok(one(Vec::new()));
        }
        if data & 2 == 0 {
            return Ok(one(vec![data]));
        }
        let top = self.block(data)?;
        let bytes = u32_at(&top, 4).map_or(0, u64::from);
        // What is deflated may be larger than the file.
        let most = if self.format == Format::Unicode4k {
            1000
        } else {
            1
        };
        if bytes > self.size.saturating_mul(most) {
            return Err(damaged("a data tree says that it is larger than the file"));
        }
        let blocks = match (top.first(), top.get(1)) {
            (Some(1), Some(1)) => self.numbers(&top),
            (Some(1), Some(2)) => {
                let mut blocks = Vec::new();
                for below in self.numbers(&top) {
                    if blocks.len() > MOST_BLOCKS {
                        return Err(damaged("a data tree has no end"));
                    }
                    let below = self.block(below)?;
                    if below.first() != Some(&1) || below.get(1) != Some(&1) {
                        return Err(damaged("a data tree is damaged"));
                    }
                    blocks.extend(self.numbers(&below));
                }
                blocks
            }
            _ => return Err(damaged("a data tree is damaged")),
        };
        Ok(DataBlocks { blocks, bytes })
    }

    fn numbers(&self, block: &[u8]) -> Vec<Bid> {
        let count = usize::from(u16_at(block, 2).unwrap_or(0));
        let word = self.format.word();
        let entries = block.get(8..).unwrap_or_default().chunks_exact(word);
        entries
            .take(count)
            .filter_map(|entry| match word {
                4 => u32_at(entry, 0).map(u64::from),
                _ => u64_at(entry, 0),
            })
            .collect()
    }

    /// Subnodes of a node.
    pub fn subnodes(&self, sub: Bid) -> io::Result<Subnodes> {
        let mut nodes = Vec::new();
        if sub != 0 {
            self.add_subnodes(sub, &mut nodes, 0)?;
        }
        nodes.sort_unstable_by_key(|(nid, _)| *nid);
        Ok(Subnodes { nodes })
    }

    fn add_subnodes(&self, bid: Bid, nodes: &mut Vec<(Nid, Node)>, depth: usize) -> io::Result<()> {
        let block = self.block(bid)?;
        if block.first() != Some(&2) || depth > 2 || nodes.len() > MOST_SUBNODES {
            return Err(damaged("a subnode tree is damaged"));
        }
        let word = self.format.word();
        let count = usize::from(u16_at(&block, 2).unwrap_or(0));
        let start = if self.format == Format::Ansi { 4 } else { 8 };
        let entries = block.get(start..).unwrap_or_default();
        let number = |entry: &[u8], at| match word {
            4 => u32_at(entry, at).map_or(0, u64::from),
            _ => u64_at(entry, at).unwrap_or(0),
        };
        if block.get(1) == Some(&0) {
            for entry in entries.chunks_exact(3 * word).take(count) {
                let node = Node {
                    data: number(entry, word),
                    sub: number(entry, 2 * word),
                };
                nodes.push((u32_at(entry, 0).unwrap_or(0), node));
            }
        } else {
            for entry in entries.chunks_exact(2 * word).take(count) {
                self.add_subnodes(number(entry, word), nodes, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Reads a node's data from its start.
    pub fn reader(&self, data: Bid) -> io::Result<DataReader<'_, F>> {
        let DataBlocks { blocks, bytes } = self.data_blocks(data)?;
        Ok(DataReader {
            ndb: self,
            blocks: blocks.into_iter(),
            left: bytes,
            block: Rc::from([]),
            at: 0,
        })
    }
}
