//! The compressed header blocks of one direction.
//!
//! One zlib stream runs through all blocks of a direction, so each must be read,
//! in order, to read the next.
//!
//! Promises: a block is at most [`BLOCK_BYTES_MAX`] and inflates to at most
//! [`INFLATED_BYTES_MAX`]; after anything else no block is read any more, since
//! the stream is lost. What is not read is not guessed.

use flate2::{Decompress, FlushDecompress, Status};

use super::dictionary::DICTIONARY;

/// A block as sent. kubectl's have some 100 bytes.
pub(super) const BLOCK_BYTES_MAX: usize = 16 * 1024;

/// A block in clear: names and values.
const INFLATED_BYTES_MAX: usize = 64 * 1024;

/// Reads the blocks of one direction.
pub(super) struct HeaderBlocks {
    /// `None` once the stream is lost.
    inflate: Option<Decompress>,
}

/// Names and values of one block, in clear.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block(Vec<u8>);

impl HeaderBlocks {
    /// Before the first block.
    pub(super) fn new() -> Self {
        Self { inflate: Some(Decompress::new(true)) }
    }

    /// Reads the next block; `None` when it cannot be read, and from then on.
    pub(super) fn next(&mut self, block: &[u8]) -> Option<Block> {
        let mut inflate = self.inflate.take()?;
        let clear = inflate_block(&mut inflate, block)?;
        self.inflate = Some(inflate);
        Some(Block(clear))
    }

    /// A block was left out: none can be read after it.
    pub(super) fn lose(&mut self) {
        self.inflate = None;
    }
}

fn inflate_block(inflate: &mut Decompress, mut block: &[u8]) -> Option<Vec<u8>> {
    if block.len() > BLOCK_BYTES_MAX {
        return None;
    }
    let mut clear = Vec::with_capacity(1024);
    let mut scratch = [0; 1024];
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(block, &mut scratch, FlushDecompress::Sync);
        let read = usize::try_from(inflate.total_in() - read).ok()?;
        let written = usize::try_from(inflate.total_out() - written).ok()?;
        block = block.get(read..)?;
        clear.extend_from_slice(scratch.get(..written)?);
        if clear.len() > INFLATED_BYTES_MAX {
            return None;
        }
        match status {
            Err(error) if error.needs_dictionary().is_some() => {
                inflate.set_dictionary(DICTIONARY).ok()?;
            }
            Err(_) | Ok(Status::StreamEnd) => return None,
            // More may wait inside only if this piece was filled.
            Ok(_) if block.is_empty() && written < scratch.len() => return Some(clear),
            Ok(_) if read == 0 && written == 0 => return None,
            Ok(_) => {}
        }
    }
}

impl Block {
    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let (_count, mut rest) = self.0.split_first_chunk::<4>()?;
        loop {
            let (found, after) = text(rest)?;
            let (value, after) = text(after)?;
            if found == name.as_bytes() {
                return Some(value);
            }
            rest = after;
        }
    }
}

/// A text with its length in front, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    use super::*;

    /// Writes blocks as a client does.
    pub(in super::super) struct Writer(Compress);

    impl Writer {
        pub(in super::super) fn new() -> Self {
            let mut compress = Compress::new(Compression::best(), true);
            compress.set_dictionary(DICTIONARY).unwrap();
            Self(compress)
        }

        pub(in super::super) fn block(&mut self, headers: &[(&str, &str)]) -> Vec<u8> {
            let mut clear = (headers.len() as u32).to_be_bytes().to_vec();
            for text in headers.iter().flat_map(|(name, value)| [name, value]) {
                clear.extend((text.len() as u32).to_be_bytes());
                clear.extend(text.as_bytes());
            }
            self.raw(&clear)
        }

        fn raw(&mut self, clear: &[u8]) -> Vec<u8> {
            let mut out = Vec::with_capacity(clear.len() + 1024);
            self.0.compress_vec(clear, &mut out, FlushCompress::Sync).unwrap();
            out
        }
    }

    #[test]
    fn blocks_are_read_in_order() {
        let (mut writer, mut blocks) = (Writer::new(), HeaderBlocks::new());
        for (kind, request) in [("error", "0"), ("data", "0"), ("error", "1"), ("data", "1")] {
            let sent = [("streamtype", kind), ("port", "8080"), ("requestid", request)];
            let block = blocks.next(&writer.block(&sent)).unwrap();
            assert_eq!(block.get("streamtype"), Some(kind.as_bytes()));
            assert_eq!(block.get("requestid"), Some(request.as_bytes()));
            assert_eq!(block.get("absent"), None);
        }
    }

    #[test]
    fn a_block_that_blows_up_ends_the_reading() {
        let (mut writer, mut blocks) = (Writer::new(), HeaderBlocks::new());
        let bomb = writer.raw(&vec![0; 1024 * 1024]);
        assert!(bomb.len() < BLOCK_BYTES_MAX);
        assert_eq!(blocks.next(&bomb), None);
        assert_eq!(blocks.next(&writer.block(&[("streamtype", "error")])), None);
    }

    #[test]
    fn a_block_just_within_bounds_is_read() {
        let (mut writer, mut blocks) = (Writer::new(), HeaderBlocks::new());
        let long = "x".repeat(60 * 1024);
        let block = blocks.next(&writer.block(&[("a", &long), ("streamtype", "data")])).unwrap();
        assert_eq!(block.get("streamtype"), Some(&b"data"[..]));
        assert!(blocks.next(&writer.block(&[("b", "c")])).is_some());
    }

    proptest! {
        #[test]
        fn any_block_is_taken_without_a_panic(block in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(block) = HeaderBlocks::new().next(&block) {
                block.get("streamtype");
            }
            Block(block).get("streamtype");
        }

        #[test]
        fn what_was_written_is_read(blocks in prop::collection::vec(("[a-z]{1,9}", "[ -~]{0,2000}"), 1..8)) {
            let (mut writer, mut reader) = (Writer::new(), HeaderBlocks::new());
            for (name, value) in &blocks {
                let block = reader.next(&writer.block(&[(name, value)])).unwrap();
                prop_assert_eq!(block.get(name), Some(value.as_bytes()));
            }
        }
    }
}
