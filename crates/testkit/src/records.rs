//! What Brevet has recorded of itself, read from the files it leaves.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use brevet_core::audit::{Chain, Record};

/// Every entry of the audit log in `folder`, each checked to be the very next of its chain. A
/// last line that is still being written does not count.
pub(crate) fn read(folder: &Path) -> Result<Vec<Record>> {
    let files = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut segments: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "log"));
    segments.sort();
    let mut chain: Option<Chain> = None;
    let mut records = Vec::new();
    for segment in segments {
        let bytes = fs::read(&segment)?;
        // The first line is the segment's own.
        for line in bytes.split_inclusive(|byte| *byte == b'\n').skip(1).filter_map(|line| line.strip_suffix(b"\n")) {
            let chain = match &mut chain {
                Some(chain) => chain,
                None => chain.insert(Chain::begin(Record::read(line)?.chain)),
            };
            let place = chain.size();
            let taken = chain.take_up(line).with_context(|| format!("entry {place} in `{}`", segment.display()));
            records.push(taken?);
        }
    }
    Ok(records)
}
