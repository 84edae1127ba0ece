//! Segments: the files that hold the log, one entry a line.
//!
//! A segment is called `<ordinal>-<entries before it>.log` and opens with one
//! line of its own: the chain, its head and the edge of its tree at that point,
//! and the digest of that line. So a segment can be read, checked and gone on
//! with alone, however long the log before it. What follows are entries as core
//! writes them, each ended by a newline; the hash chain is the frame.
//!
//! Promises: a scan takes up only what is the very next entry of the chain, and
//! says how far that goes.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use brevet_core::{
    audit::{Chain, ChainId, Record, chain::LINE_BYTES_MAX, tree::Frontier},
    digest::Digest,
};

/// At the head of every segment.
const FORMAT: &str = "brevet-audit-segment/1";
/// A head line is no longer: 64 peaks of 71 bytes, and a little.
const HEAD_BYTES_MAX: u64 = 8 * 1024;

/// The name of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    /// Counted from 0, without a gap.
    pub(super) ordinal: u64,
    /// How many entries the chain had before it.
    pub(super) first: u64,
}

impl SegmentName {
    /// Reads a file's name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ordinal, first) = text.strip_suffix(".log")?.split_once('-')?;
        let read = Self { ordinal: ordinal.parse().ok()?, first: first.parse().ok()? };
        (read.to_string() == text).then_some(read)
    }

    /// The file.
    pub(super) fn path(self, folder: &Path) -> PathBuf {
        folder.join(self.to_string())
    }

    /// The segment after this one, once the chain has `size` entries.
    pub(super) fn next(self, size: u64) -> Self {
        Self { ordinal: self.ordinal + 1, first: size }
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{:020}.log", self.ordinal, self.first)
    }
}

/// All segments of a folder, in order.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn names(folder: &Path) -> io::Result<Vec<SegmentName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().and_then(SegmentName::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// The first line of a segment that goes on after `chain`, with its end.
pub(super) fn head_line(chain: &Chain) -> String {
    let mut line = format!("{FORMAT} {} {} {}", chain.id(), chain.size(), chain.head());
    for peak in chain.frontier().peaks() {
        line.push(' ');
        line.push_str(&peak.to_string());
    }
    let digest = Digest::of(line.as_bytes());
    format!("{line} {digest}\n")
}

/// Reads what [`head_line`] writes, with its end.
fn read_head(line: &str) -> Option<Chain> {
    let (line, digest) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    if Digest::parse(digest)? != Digest::of(line.as_bytes()) {
        return None;
    }
    let mut words = line.strip_prefix(FORMAT)?.strip_prefix(' ')?.split(' ');
    let id = ChainId::parse(words.next()?)?;
    let size = words.next()?.parse().ok()?;
    let head = Digest::parse(words.next()?)?;
    let peaks = words.map(Digest::parse).collect::<Option<_>>()?;
    Some(Chain::resume(id, head, Frontier::new(size, peaks)?))
}

/// A segment read from its start.
pub(super) struct Scan {
    reader: BufReader<File>,
    /// The chain after the last entry that was taken up.
    pub(super) chain: Chain,
    /// Bytes of the head line and of the entries that were taken up.
    pub(super) good: u64,
    /// Bytes of the file.
    pub(super) length: u64,
}

impl Scan {
    /// Opens a segment; `None` if its first line is not a whole head.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        let good = reader.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut line)? as u64;
        let chain = String::from_utf8(line).ok().and_then(|line| read_head(&line));
        Ok(chain.map(|chain| Self { reader, chain, good, length }))
    }

    /// Takes up the next entry; `None` where there is none, or what is there is not one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)? as u64;
        let Some((b'\n', line)) = line.split_last() else { return Ok(None) };
        let record = self.chain.take_up(line).ok();
        if record.is_some() {
            self.good += read;
        }
        Ok(record)
    }

    /// Takes up all entries before the one with this place.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn up_to(&mut self, place: u64) -> io::Result<()> {
        while self.chain.size() < place && self.next()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_the_log_goes() {
        let names = [(0, 0), (1, 7), (2, 7), (10, 1_000_000)].map(|(ordinal, first)| SegmentName { ordinal, first });
        let texts = names.map(|name| name.to_string());
        assert!(texts.is_sorted());
        for (name, text) in names.iter().zip(&texts) {
            assert_eq!(SegmentName::parse(text).as_ref(), Some(name));
        }
        for other in
            ["0-0.log", "index.sqlite", "00000000-00000000000000000000.log.gz", "00000000-+0000000000000000000.log"]
        {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_head_reads_back_and_no_other_does() {
        let peaks = vec![Digest::of(b"a"), Digest::of(b"b")];
        let chain =
            Chain::resume(ChainId::parse("gateway-1").unwrap(), Digest::of(b"c"), Frontier::new(5, peaks).unwrap());
        let line = head_line(&chain);
        assert_eq!(read_head(&line), Some(chain));
        for end in 0..line.len() {
            assert_eq!(read_head(line.get(..end).unwrap()), None);
        }
        assert_eq!(read_head(&line.replace(" 5 ", " 6 ")), None);
    }
}
