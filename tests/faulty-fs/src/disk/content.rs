//! A file's bytes: what the platter holds, and the pages written since the last sync.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::random::Random;

/// The unit that a power cut keeps or loses.
pub(super) const PAGE_BYTES: u64 = 4096;

type Page = Box<[u8; PAGE_BYTES as usize]>;

/// Bytes of one file. The platter is a file in the backing folder; it changes in `sync` only.
#[derive(Debug)]
pub(super) struct Content {
    size: u64,
    platter_size: u64,
    /// Where the platter's bytes stop counting, because the file was cut short since.
    platter_valid: u64,
    unsynced: BTreeMap<u64, Page>,
}

impl Content {
    /// A file whose platter holds `size` bytes.
    pub(super) fn on_platter(size: u64) -> Self {
        Self { size, platter_size: size, platter_valid: size, unsynced: BTreeMap::new() }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
            && self.size == self.platter_size
            && self.platter_valid == self.platter_size
    }

    /// Up to `length` bytes from `offset`; fewer at the end.
    pub(super) fn read(&self, platter: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end = offset.saturating_add(length).min(self.size);
        if offset >= end {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; (end - offset) as usize];
        let on_platter = end.min(self.platter_valid).saturating_sub(offset) as usize;
        platter.read_exact_at(&mut bytes[..on_platter], offset)?;

        let pages = offset / PAGE_BYTES..=(end - 1) / PAGE_BYTES;
        for (number, page) in self.unsynced.range(pages) {
            let start = number * PAGE_BYTES;
            let from = offset.max(start);
            let to = end.min(start + PAGE_BYTES);
            bytes[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&page[(from - start) as usize..(to - start) as usize]);
        }
        Ok(bytes)
    }

    /// Writes into memory; the platter keeps what it had.
    pub(super) fn write(&mut self, platter: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let mut at = offset;
        while at < end {
            let number = at / PAGE_BYTES;
            let start = number * PAGE_BYTES;
            let to = end.min(start + PAGE_BYTES);
            if !self.unsynced.contains_key(&number) {
                let page = self.page_from_platter(platter, number)?;
                self.unsynced.insert(number, page);
            }
            let page = self.unsynced.get_mut(&number).expect("inserted above");
            page[(at - start) as usize..(to - start) as usize]
                .copy_from_slice(&bytes[(at - offset) as usize..(to - offset) as usize]);
            at = to;
        }
        self.size = self.size.max(end);
        Ok(())
    }

    /// Cuts or extends (with zeros) in memory.
    pub(super) fn set_size(&mut self, size: u64) {
        if size < self.size {
            self.unsynced.split_off(&size.div_ceil(PAGE_BYTES));
            if let Some(page) = self.unsynced.get_mut(&(size / PAGE_BYTES)) {
                page[(size % PAGE_BYTES) as usize..].fill(0);
            }
            self.platter_valid = self.platter_valid.min(size);
        }
        self.size = size;
    }

    /// Makes the platter hold all that was written.
    pub(super) fn sync(&mut self, platter: &File) -> io::Result<()> {
        if self.is_synced() {
            return Ok(());
        }
        self.sync_size(platter)?;
        for (number, page) in std::mem::take(&mut self.unsynced) {
            write_page(platter, number, &page, self.platter_size)?;
        }
        Ok(())
    }

    /// What a disk may have done before the power failed: each page, and the size, by chance.
    pub(super) fn sync_by_chance(&mut self, platter: &File, random: &mut Random) -> io::Result<()> {
        if random.coin() {
            self.sync_size(platter)?;
        }
        for (number, page) in std::mem::take(&mut self.unsynced) {
            if random.coin() {
                write_page(platter, number, &page, self.platter_size)?;
            }
        }
        Ok(())
    }

    fn sync_size(&mut self, platter: &File) -> io::Result<()> {
        if self.platter_valid < self.platter_size {
            platter.set_len(self.platter_valid)?;
        }
        if self.platter_valid != self.size {
            platter.set_len(self.size)?;
        }
        self.platter_size = self.size;
        self.platter_valid = self.size;
        Ok(())
    }

    fn page_from_platter(&self, platter: &File, number: u64) -> io::Result<Page> {
        let mut page = Box::new([0; PAGE_BYTES as usize]);
        let start = number * PAGE_BYTES;
        let length = self.platter_valid.saturating_sub(start).min(PAGE_BYTES) as usize;
        platter.read_exact_at(&mut page[..length], start)?;
        Ok(page)
    }
}

fn write_page(platter: &File, number: u64, page: &Page, size: u64) -> io::Result<()> {
    let start = number * PAGE_BYTES;
    let length = size.saturating_sub(start).min(PAGE_BYTES) as usize;
    platter.write_all_at(&page[..length], start)
}
