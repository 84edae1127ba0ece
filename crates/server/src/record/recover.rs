//! Opening a folder in which a log was written before.
//!
//! What a process leaves behind when it dies is whole, but for the end of its
//! last write, which nobody was told of. After a power cut the end may also hold
//! anything that was written and not synced. So the end is cut where the chain
//! breaks, provided that the mark of what was synced lies before it; where it
//! does not, acknowledged entries are damaged or gone, and nothing is touched.
//!
//! After a failed sync the writer copies what is in doubt into a new segment
//! ([`super::writer`]); if it died over that, two segments overlap. The copy
//! counts if it is complete; otherwise the original does.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use brevet_core::{
    audit::{Chain, ChainId},
    digest::Digest,
};

use super::{
    disk::{Disk, write_all_at},
    mark::Mark,
    segment::{Scan, SegmentName, head_line, names},
    tail::Open,
};

/// Held by the process that writes here.
const LOCK_NAME: &str = "lock";

/// Why a folder cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There are two processes.
    #[error(
        "another process writes the audit log in `{0}`: one folder is one process's; stop it, or name another folder"
    )]
    Locked(PathBuf),
    /// Entries that somebody was promised are not there.
    #[error(
        "the audit log in `{folder}` has lost acknowledged entries: {count} were synced, {left} can be read ({what}); \
         keep the folder as it is, as evidence, and name an empty one to begin a new log"
    )]
    Lost {
        /// The log.
        folder: PathBuf,
        /// Entries that were there.
        count: u64,
        /// Entries that are.
        left: u64,
        /// The first fault.
        what: String,
    },
    /// A chain cannot be called so.
    #[error("no chain can be called `{0}`")]
    Name(String),
    /// The system says no.
    #[error("cannot {act} `{path}`")]
    Io {
        /// What failed.
        act: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Adds what was tried, and with what.
pub(super) fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { act, path: path.to_owned(), source }
}

/// Makes the folder if it is not there, and keeps other processes out for as long as the file is open.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    std::fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    let path = folder.join(LOCK_NAME);
    let file = File::create(&path).map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

/// The end of the log, ready to be gone on with.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segment: Open,
    /// Bytes and their digest, where a torn end was cut off.
    pub(super) cut: Option<(u64, Digest)>,
}

/// Finds where the log in `folder` ends, cuts off what nobody was promised, and
/// begins a new one where there is none.
pub(super) fn recover(folder: &Path, disk: &dyn Disk, new_chain: ChainId) -> Result<Recovered, OpenError> {
    let reading = failed("read the folder", folder);
    let all = names(folder).map_err(reading)?;
    let mark = Mark::read(folder).map_err(failed("read the mark in", folder))?;
    is_whole(folder, &all, mark)?;
    let recovered = match last_of(folder, disk, &all, mark)? {
        Some((name, scan)) => go_on(folder, disk, name, scan, mark)?,
        None if mark == Mark::default() => {
            let segment = begin(folder, disk, SegmentName { ordinal: 0, first: 0 }, Chain::begin(new_chain))
                .map_err(failed("begin a log in", folder))?;
            Recovered { segment, cut: None }
        }
        None => return Err(lost(folder, mark, 0, "no segment can be read".to_owned())),
    };
    Ok(recovered)
}

fn lost(folder: &Path, mark: Mark, left: u64, what: String) -> OpenError {
    OpenError::Lost { folder: folder.to_owned(), count: mark.size, left, what }
}

/// Whether every segment is there, from the first that is to the one of the mark.
fn is_whole(folder: &Path, all: &[SegmentName], mark: Mark) -> Result<(), OpenError> {
    for (before, name) in all.iter().zip(all.iter().skip(1)) {
        if name.ordinal != before.ordinal + 1 {
            return Err(lost(folder, mark, before.first, format!("no segment follows `{before}`")));
        }
    }
    match all.last() {
        Some(last) if last.ordinal < mark.ordinal => {
            Err(lost(folder, mark, last.first, format!("no segment follows `{last}`")))
        }
        _ => Ok(()),
    }
}

/// The segment in which the log ends, read to its end.
fn last_of(
    folder: &Path,
    disk: &dyn Disk,
    all: &[SegmentName],
    mark: Mark,
) -> Result<Option<(SegmentName, Scan)>, OpenError> {
    let mut left = all.iter().rev().copied();
    let Some(mut name) = left.next() else { return Ok(None) };
    let mut last = read(folder, name)?;
    for before in left {
        let path = before.path(folder);
        let is_sealed = path.metadata().map_err(failed("look at", &path))?.permissions().readonly() && last.is_some();
        if is_sealed {
            break;
        }
        // The writer died between two segments, or over a copy.
        let original = read(folder, before)?;
        let reach = |scan: &Option<Scan>| scan.as_ref().map_or(0, |scan| scan.chain.size());
        if last.is_some() && reach(&last) >= reach(&original) {
            cut_overlap(folder, disk, before, name)?;
            break;
        }
        if mark.ordinal >= name.ordinal {
            return Err(lost(folder, mark, reach(&original), format!("`{name}` cannot be read")));
        }
        let path = name.path(folder);
        std::fs::remove_file(&path).map_err(failed("remove the unfinished copy", &path))?;
        (name, last) = (before, original);
    }
    Ok(last.map(|scan| (name, scan)))
}

fn read(folder: &Path, name: SegmentName) -> Result<Option<Scan>, OpenError> {
    let path = name.path(folder);
    let mut scan = Scan::open(&path).map_err(failed("read", &path))?;
    if let Some(scan) = &mut scan {
        scan.up_to(u64::MAX).map_err(failed("read", &path))?;
    }
    Ok(scan)
}

/// Cuts from `before` what `name` holds as well, and seals it.
fn cut_overlap(folder: &Path, disk: &dyn Disk, before: SegmentName, name: SegmentName) -> Result<(), OpenError> {
    let path = before.path(folder);
    let seal = |bytes: u64| {
        let file = disk.open(&path)?;
        file.set_len(bytes)?;
        file.sync()?;
        file.seal()
    };
    let scan = Scan::open(&path).map_err(failed("read", &path))?;
    let Some(mut scan) = scan else { return Ok(()) };
    scan.up_to(name.first).map_err(failed("read", &path))?;
    seal(scan.good).map_err(failed("cut", &path))
}

/// Cuts off what is not an entry, if nobody was promised that it is.
fn go_on(folder: &Path, disk: &dyn Disk, name: SegmentName, scan: Scan, mark: Mark) -> Result<Recovered, OpenError> {
    let path = name.path(folder);
    if mark.ordinal == name.ordinal && mark.bytes > scan.good {
        let what = format!("`{name}` breaks off at byte {} of {}", scan.good, mark.bytes.max(scan.length));
        return Err(lost(folder, mark, scan.chain.size(), what));
    }
    let file = match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let next = name.next(scan.chain.size());
            let segment = begin(folder, disk, next, scan.chain).map_err(failed("go on behind", &path))?;
            return Ok(Recovered { segment, cut: None });
        }
        opened => opened.map_err(failed("open", &path))?,
    };
    let mut cut = None;
    if scan.good < scan.length {
        let bytes = std::fs::read(&path).map_err(failed("read", &path))?;
        let torn = usize::try_from(scan.good).ok().and_then(|good| bytes.get(good..)).unwrap_or_default();
        cut = Some((scan.length - scan.good, Digest::of(torn)));
        file.set_len(scan.good).map_err(failed("cut the torn end of", &path))?;
    }
    // What the last process wrote and did not live to sync.
    file.sync().map_err(failed("sync", &path))?;
    Ok(Recovered { segment: Open { name, file, synced: scan.good, chain: scan.chain }, cut })
}

/// Makes the segment in which the log goes on after `chain`; it and its name are synced.
///
/// # Errors
/// What the system says.
pub(super) fn begin(folder: &Path, disk: &dyn Disk, name: SegmentName, chain: Chain) -> io::Result<Open> {
    begin_with(folder, disk, name, chain, &[])
}

/// The same, with entries in it already; `chain` is the one before them.
///
/// # Errors
/// What the system says.
pub(super) fn begin_with(
    folder: &Path,
    disk: &dyn Disk,
    name: SegmentName,
    chain: Chain,
    entries: &[u8],
) -> io::Result<Open> {
    let file: Arc<_> = disk.create(&name.path(folder))?;
    let head = head_line(&chain);
    write_all_at(&*file, head.as_bytes(), 0)?;
    write_all_at(&*file, entries, head.len() as u64)?;
    file.sync()?;
    disk.sync_folder(folder)?;
    let synced = (head.len() + entries.len()) as u64;
    Ok(Open { name, file, synced, chain })
}
