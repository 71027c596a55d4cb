//! What hangs on a node: its data as a stream, its subnodes.

use std::io::{self, Read};
use std::rc::Rc;

use super::ndb::{Bid, Ndb, Nid, Node, ReadAt};

/// Blocks of one data tree.
pub struct DataBlocks {
    /// Their numbers.
    pub blocks: Vec<Bid>,
    /// Bytes in them, at most.
    pub bytes: u64,
}

/// Subnodes of one node, sorted by number.
pub struct Subnodes {
    pub(super) nodes: Vec<(Nid, Node)>,
}

impl Subnodes {
    /// Finds one.
    pub fn find(&self, nid: Nid) -> Option<Node> {
        let place = self
            .nodes
            .binary_search_by_key(&nid, |(nid, _)| *nid)
            .ok()?;
        Some(self.nodes[place].1)
    }

    /// The first of a kind: the low five bits of its number.
    pub fn of_kind(&self, kind: Nid) -> Option<Node> {
        let found = self.nodes.iter().find(|(nid, _)| nid & 0x1F == kind);
        found.map(|(_, node)| *node)
    }
}

/// Streams a node's data, one block in memory.
pub struct DataReader<'a, F> {
    pub(super) ndb: &'a Ndb<F>,
    pub(super) blocks: std::vec::IntoIter<Bid>,
    pub(super) left: u64,
    pub(super) block: Rc<[u8]>,
    pub(super) at: usize,
}

impl<F: ReadAt> Read for DataReader<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.block.len() {
            let Some(next) = self.blocks.next() else {
                return Ok(0);
            };
            self.block = self.ndb.block(next)?;
            self.at = 0;
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let ready = &self.block[self.at..];
        let length = ready.len().min(buffer.len()).min(most);
        buffer[..length].copy_from_slice(&ready[..length]);
        self.at += length;
        self.left -= length as u64;
        Ok(length)
    }
}
