//! A log in the form that `brevet-verify` checks: `docs/spec/audit-log.md`, "An export".
//!
//! Promises: reads only, so the log may be written meanwhile; the checkpoints
//! are copied first, so what they cover is there; the copy is for its owner alone,
//! as the log is: people's reasons are in it.

use std::{
    fs::{DirBuilder, File},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::{
    segment::{Scan, names},
    signing,
};

/// Copies the log in `folder` into `output`, which must not be there yet. Blocks on the disk.
///
/// # Errors
/// What the system says; there is no log in `folder`.
pub fn export(folder: &Path, output: &Path) -> io::Result<()> {
    let (checkpoints, key) = signing::published(folder)?;
    let segments = names(folder)?;
    let last = segments.last().map(|name| name.path(folder));
    let scan = last.map(|path| Scan::open(&path)).transpose()?.flatten();
    let chain = scan.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no audit log"))?.chain;
    DirBuilder::new().mode(0o700).create(output)?;
    let of_chain = output.join("chains").join(chain.id().as_str());
    let entries = of_chain.join("entries");
    std::fs::create_dir_all(&entries)?;
    std::fs::write(
        output.join("export.json"),
        format!("{{\"format\":\"brevet.dev/audit-export/v1\",\"chains\":[\"{}\"]}}", chain.id()),
    )?;
    std::fs::write(output.join("keys"), key)?;
    std::fs::write(of_chain.join("checkpoints"), checkpoints)?;
    for name in segments {
        let mut lines = BufReader::new(File::open(name.path(folder))?);
        lines.skip_until(b'\n')?;
        let mut copy = io::BufWriter::new(File::create(entries.join(format!("{name}").replace(".log", ".jsonl")))?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            copy.write_all(&line)?;
            line.clear();
        }
        copy.flush()?;
    }
    Ok(())
}
