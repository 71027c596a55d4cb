//! The middle layer of a PST ([MS-PST] 2.3): heaps inside nodes, trees in heaps, property bags and
//! tables.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use super::data::{DataReader, Subnodes};
use super::ndb::{Bid, Format, Ndb, Nid, Node, ReadAt, damaged, u16_at, u32_at, u64_at};

/// Deepest tree in a heap that is followed.
const DEEPEST: u8 = 8;
/// Entries of one tree in a heap: bounds what a damaged file makes us do.
const MOST_ENTRIES: usize = 1 << 24;
/// Largest property read into memory; larger ones are streamed.
const LARGEST_VALUE: u64 = 64 << 20;

/// Whether a reference is to an item of the heap; else it is to a subnode.
fn is_hid(reference: u32) -> bool {
    reference.trailing_zeros() >= 5
}

/// A node's heap with its subnodes.
pub struct Heap<'a, F> {
    ndb: &'a Ndb<F>,
    blocks: Vec<Bid>,
    /// Where larger values are.
    pub subnodes: Rc<Subnodes>,
    kind: u8,
    root: u32,
}

impl<'a, F: ReadAt> Heap<'a, F> {
    /// Opens the heap of a node.
    pub fn open(ndb: &'a Ndb<F>, node: Node) -> io::Result<Self> {
        let blocks = ndb.data_blocks(node.data)?.blocks;
        let first = blocks
            .first()
            .ok_or_else(|| damaged("a node has no data"))?;
        let first = ndb.block(*first)?;
        if first.get(2) != Some(&0xEC) {
            return Err(damaged("a node is not a heap"));
        }
        Ok(Self {
            ndb,
            blocks,
            subnodes: Rc::new(ndb.subnodes(node.sub)?),
            kind: first.get(3).copied().unwrap_or(0),
            root: u32_at(&first, 4).unwrap_or(0),
        })
    }

    /// One allocation of the heap.
    fn item(&self, hid: u32) -> io::Result<Vec<u8>> {
        let lost = || damaged(format!("heap item {hid:#x} is missing"));
        let shift = if self.ndb.format == Format::Unicode4k {
            19
        } else {
            16
        };
        let block = usize::try_from(hid >> shift).map_err(|_| lost())?;
        let index = usize::try_from((hid & ((1 << shift) - 1)) >> 5).map_err(|_| lost())?;
        let block = self.ndb.block(*self.blocks.get(block).ok_or_else(lost)?)?;
        let map = usize::from(u16_at(&block, 0).ok_or_else(lost)?);
        let count = usize::from(u16_at(&block, map).ok_or_else(lost)?);
        if index == 0 || index > count {
            return Err(lost());
        }
        let at = map + 4 + (index - 1) * 2;
        let start = usize::from(u16_at(&block, at).ok_or_else(lost)?);
        let end = usize::from(u16_at(&block, at + 2).ok_or_else(lost)?);
        block.get(start..end).map(<[u8]>::to_vec).ok_or_else(lost)
    }

    /// A value in the heap or in a subnode.
    fn value(&self, hnid: u32) -> io::Result<Vec<u8>> {
        if hnid == 0 {
            return Ok(Vec::new());
        }
        if is_hid(hnid) {
            return self.item(hnid);
        }
        let mut bytes = Vec::new();
        let read = self
            .stream(hnid)?
            .take(LARGEST_VALUE)
            .read_to_end(&mut bytes)?;
        if read as u64 == LARGEST_VALUE {
            return Err(damaged("a value is larger than 64 MiB"));
        }
        Ok(bytes)
    }

    /// Streams a value in a subnode.
    fn stream(&self, nid: Nid) -> io::Result<DataReader<'a, F>> {
        let node = self.subnodes.find(nid);
        let node = node.ok_or_else(|| damaged(format!("subnode {nid:#x} is missing")))?;
        self.ndb.reader(node.data)
    }

    /// Visits every entry of a tree.
    fn walk_tree(
        &self,
        header: u32,
        sizes: (u8, u8),
        visit: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let header = self.item(header)?;
        let (Some(0xB5), Some(key), Some(value), Some(levels), Some(root)) = (
            header.first(),
            header.get(1).copied(),
            header.get(2).copied(),
            header.get(3).copied(),
            u32_at(&header, 4),
        ) else {
            return Err(damaged("a tree is damaged"));
        };
        if key != sizes.0 || value != sizes.1 || levels > DEEPEST {
            return Err(damaged("a tree has an unknown form"));
        }
        let mut left = MOST_ENTRIES;
        self.walk_level(root, levels, sizes, &mut left, visit)
    }

    fn walk_level(
        &self,
        hid: u32,
        level: u8,
        (key, value): (u8, u8),
        left: &mut usize,
        visit: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if hid == 0 {
            return Ok(());
        }
        let item = self.item(hid)?;
        let key_size = usize::from(key);
        let size = key_size + if level == 0 { usize::from(value) } else { 4 };
        for entry in item.chunks_exact(size) {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| damaged("a tree has no end"))?;
            if level == 0 {
                visit(entry)?;
            } else {
                let below = u32_at(entry, key_size).unwrap_or(0);
                self.walk_level(below, level - 1, (key, value), left, visit)?;
            }
        }
        Ok(())
    }
}

/// A property's number.
pub type Id = u16;

#[derive(Clone, Copy, Debug)]
struct Raw {
    kind: u16,
    value: u32,
}

/// A property bag.
pub struct Bag<'a, F> {
    heap: Heap<'a, F>,
    properties: BTreeMap<Id, Raw>,
}

impl<'a, F: ReadAt> Bag<'a, F> {
    /// Opens a node's property bag.
    pub fn open(ndb: &'a Ndb<F>, node: Node) -> io::Result<Self> {
        let heap = Heap::open(ndb, node)?;
        if heap.kind != 0xBC {
            return Err(damaged("a node is not a property bag"));
        }
        let mut properties = BTreeMap::new();
        heap.walk_tree(heap.root, (2, 6), &mut |entry| {
            if let (Some(id), Some(kind), Some(value)) =
                (u16_at(entry, 0), u16_at(entry, 2), u32_at(entry, 4))
            {
                properties.insert(id, Raw { kind, value });
            }
            Ok(())
        })?;
        Ok(Self { heap, properties })
    }

    /// Subnodes of the node.
    pub fn subnodes(&self) -> &Subnodes {
        &self.heap.subnodes
    }

    /// Whether the property is there.
    pub fn has(&self, id: Id) -> bool {
        self.properties.contains_key(&id)
    }

    /// A number or a truth value of up to 32 bits.
    pub fn number(&self, id: Id) -> Option<u32> {
        let raw = self.properties.get(&id)?;
        match raw.kind {
            0x0002 => Some(raw.value & 0xFFFF),
            0x0003 => Some(raw.value),
            0x000B => Some(raw.value & 0xFF),
            _ => None,
        }
    }

    /// A floating point number.
    pub fn real(&self, id: Id) -> io::Result<Option<f64>> {
        Ok(self.wide(id, 0x0005)?.map(f64::from_bits))
    }

    /// An instant: 100 ns since 1601.
    pub fn filetime(&self, id: Id) -> io::Result<Option<u64>> {
        self.wide(id, 0x0040)
    }

    fn wide(&self, id: Id, kind: u16) -> io::Result<Option<u64>> {
        match self.properties.get(&id) {
            Some(raw) if raw.kind == kind => Ok(u64_at(&self.heap.value(raw.value)?, 0)),
            _ => Ok(None),
        }
    }

    /// A text with its kind: 0x1F for UTF-16, 0x1E for the message's own code page.
    pub fn text(&self, id: Id) -> io::Result<Option<(u16, Vec<u8>)>> {
        match self.properties.get(&id) {
            Some(raw) if matches!(raw.kind, 0x001E | 0x001F) => {
                Ok(Some((raw.kind, self.heap.value(raw.value)?)))
            }
            _ => Ok(None),
        }
    }

    /// Bytes.
    pub fn binary(&self, id: Id) -> io::Result<Option<Vec<u8>>> {
        match self.properties.get(&id) {
            Some(raw) if raw.kind == 0x0102 => Ok(Some(self.heap.value(raw.value)?)),
            _ => Ok(None),
        }
    }

    /// Bytes, streamed where they are large.
    pub fn stream(&self, id: Id) -> io::Result<Option<Box<dyn Read + 'a>>>
    where
        F: 'a,
    {
        match self.properties.get(&id) {
            Some(raw) if matches!(raw.kind, 0x0102 | 0x000D) => {
                if is_hid(raw.value) {
                    let value = self.heap.value(raw.value)?;
                    Ok(Some(Box::new(io::Cursor::new(value))))
                } else {
                    Ok(Some(Box::new(self.heap.stream(raw.value)?)))
                }
            }
            _ => Ok(None),
        }
    }

    /// The node of an object.
    pub fn object(&self, id: Id) -> io::Result<Option<Node>> {
        let Some(raw) = self.properties.get(&id).filter(|raw| raw.kind == 0x000D) else {
            return Ok(None);
        };
        let value = self.heap.value(raw.value)?;
        Ok(u32_at(&value, 0).and_then(|nid| self.heap.subnodes.find(nid)))
    }
}

/// A table: its rows' numbers, and cells where they are wanted.
pub struct Table<'a, F> {
    heap: Heap<'a, F>,
    rows: u32,
    index: u32,
    row_size: usize,
    bitmap: usize,
    columns: BTreeMap<Id, (u16, usize, usize, usize)>,
}

impl<'a, F: ReadAt> Table<'a, F> {
    /// Opens a node's table.
    pub fn open(ndb: &'a Ndb<F>, node: Node) -> io::Result<Self> {
        let heap = Heap::open(ndb, node)?;
        if heap.kind != 0x7C {
            return Err(damaged("a node is not a table"));
        }
        let info = heap.item(heap.root)?;
        let broken = || damaged("a table is damaged");
        let mut columns = BTreeMap::new();
        let count = usize::from(*info.get(1).ok_or_else(broken)?);
        let descriptions = info.get(22..).unwrap_or_default().chunks_exact(8);
        for column in descriptions.take(count) {
            let (Some(kind), Some(id), Some(at)) =
                (u16_at(column, 0), u16_at(column, 2), u16_at(column, 4))
            else {
                return Err(broken());
            };
            let (size, bit) = (usize::from(column[6]), usize::from(column[7]));
            columns.insert(id, (kind, usize::from(at), size, bit));
        }
        Ok(Self {
            row_size: usize::from(u16_at(&info, 8).ok_or_else(broken)?),
            bitmap: usize::from(u16_at(&info, 6).ok_or_else(broken)?),
            index: u32_at(&info, 10).ok_or_else(broken)?,
            rows: u32_at(&info, 14).ok_or_else(broken)?,
            columns,
            heap,
        })
    }

    /// Numbers of the rows (for folders and attachments: node numbers) with their places.
    pub fn row_ids(&self) -> io::Result<Vec<(Nid, u32)>> {
        let mut ids = Vec::new();
        if self.index == 0 {
            return Ok(ids);
        }
        let place_size = if self.heap.ndb.format == Format::Ansi {
            2
        } else {
            4
        };
        self.heap
            .walk_tree(self.index, (4, place_size), &mut |entry| {
                let place = match place_size {
                    2 => u16_at(entry, 4).map(u32::from),
                    _ => u32_at(entry, 4),
                };
                if let (Some(id), Some(place)) = (u32_at(entry, 0), place) {
                    ids.push((id, place));
                }
                Ok(())
            })?;
        Ok(ids)
    }

    /// The bytes of one row.
    pub fn row(&self, place: u32) -> io::Result<Vec<u8>> {
        let lost = || damaged("a row of a table is missing");
        let place = usize::try_from(place).map_err(|_| lost())?;
        if self.row_size == 0 || self.rows == 0 {
            return Err(lost());
        }
        let (block, place) = if is_hid(self.rows) {
            (self.heap.item(self.rows)?, place)
        } else {
            let node = self.heap.subnodes.find(self.rows).ok_or_else(lost)?;
            let blocks = self.heap.ndb.data_blocks(node.data)?.blocks;
            let first = self.heap.ndb.block(*blocks.first().ok_or_else(lost)?)?;
            // Rows do not cross blocks; every block but the last is full.
            let rows = (first.len() / self.row_size).max(1);
            let block = blocks.get(place / rows).ok_or_else(lost)?;
            (self.heap.ndb.block(*block)?.to_vec(), place % rows)
        };
        let start = place.checked_mul(self.row_size).ok_or_else(lost)?;
        let end = start.checked_add(self.row_size).ok_or_else(lost)?;
        block.get(start..end).map(<[u8]>::to_vec).ok_or_else(lost)
    }

    fn cell<'r>(&self, row: &'r [u8], id: Id) -> Option<(u16, &'r [u8])> {
        let (kind, at, size, bit) = *self.columns.get(&id)?;
        let there = row.get(self.bitmap + bit / 8)? & (0x80 >> (bit % 8)) != 0;
        there.then_some((kind, row.get(at..at.checked_add(size)?)?))
    }

    /// A number in a row.
    pub fn number(&self, row: &[u8], id: Id) -> Option<u32> {
        let (kind, cell) = self.cell(row, id)?;
        (kind == 0x0003).then(|| u32_at(cell, 0))?
    }

    /// A text in a row, as [`Bag::text`] gives it.
    pub fn text(&self, row: &[u8], id: Id) -> io::Result<Option<(u16, Vec<u8>)>> {
        match self.cell(row, id) {
            Some((kind @ (0x001E | 0x001F), cell)) => {
                let value = u32_at(cell, 0).unwrap_or(0);
                Ok(Some((kind, self.heap.value(value)?)))
            }
            _ => Ok(None),
        }
    }
}
