//! How far the log has been synced, in a file of its own.
//!
//! It is what tells a torn tail, which nobody was promised, from damage to what
//! somebody was. The mark is moved after each sync and before anyone hears of
//! it; it is not synced itself, so after a power cut it may lag behind, and then
//! it claims less. It never claims more than is there.

use std::{io, path::Path, sync::Arc};

use super::disk::{Disk, DiskFile, write_all_at};

/// The file's name in the log's folder.
const NAME: &str = "synced";

/// A point up to which everything is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// The segment.
    pub(super) ordinal: u64,
    /// Bytes of it.
    pub(super) bytes: u64,
    /// Entries of the chain.
    pub(super) size: u64,
}

impl Mark {
    /// Always as long, so that one write replaces the last in place.
    fn text(self) -> String {
        format!("{:020} {:020} {:020}\n", self.ordinal, self.bytes, self.size)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim_end().split(' ').map(str::parse);
        let mut word = || words.next()?.ok();
        let read = Self { ordinal: word()?, bytes: word()?, size: word()? };
        (read.text() == text).then_some(read)
    }

    /// What the folder's mark says; without a whole one, nothing is claimed.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        match std::fs::read_to_string(folder.join(NAME)) {
            Ok(text) => Ok(Self::parse(&text).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }
}

/// The mark, open for moving.
#[derive(Clone, Debug)]
pub(super) struct MarkFile(Arc<dyn DiskFile>);

impl MarkFile {
    /// Opens the folder's mark, or makes one.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let path = folder.join(NAME);
        match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path).map(Self),
            opened => opened.map(Self),
        }
    }

    /// Moves it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn set(&self, mark: Mark) -> io::Result<()> {
        write_all_at(&*self.0, mark.text().as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_half_of_one_claims_nothing() {
        let mark = Mark { ordinal: 3, bytes: 77, size: 1_000 };
        assert_eq!(Mark::parse(&mark.text()), Some(mark));
        assert_eq!(mark.text().len(), Mark::default().text().len());
        for end in 0..mark.text().len() {
            assert_eq!(Mark::parse(mark.text().get(..end).unwrap()), None);
        }
    }
}
