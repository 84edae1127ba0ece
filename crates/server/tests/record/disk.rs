//! A disk whose calls can be made to fail. What does not fail is done by the real one.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
};

use brevet_server::record::{Disk, DiskFile, RealDisk};

/// No space left on device.
pub(crate) const ENOSPC: i32 = 28;
/// Input/output error.
pub(crate) const EIO: i32 = 5;
/// Read-only file system.
pub(crate) const EROFS: i32 = 30;
/// No fault.
pub(crate) const FINE: i32 = 0;

/// What fails, and with which error; [`FINE`]: it does not.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) write: AtomicI32,
    /// Bytes of a failing write that still reach the file.
    pub(crate) written_before: AtomicUsize,
    pub(crate) sync: AtomicI32,
    pub(crate) create: AtomicI32,
    pub(crate) cut: AtomicI32,
    sync_gate: Gate,
    write_gate: Gate,
}

#[derive(Debug, Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut is_shut = self.is_shut.lock().unwrap();
        while *is_shut {
            is_shut = self.opened.wait(is_shut).unwrap();
        }
    }
}

impl Faults {
    pub(crate) fn hold_syncs(&self, is_held: bool) {
        self.sync_gate.set(is_held);
    }

    pub(crate) fn hold_writes(&self, is_held: bool) {
        self.write_gate.set(is_held);
    }
}

fn outcome(fault: &AtomicI32) -> io::Result<()> {
    match fault.load(Ordering::SeqCst) {
        FINE => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

#[derive(Debug, Default)]
pub(crate) struct FaultyDisk {
    pub(crate) faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { file, faults: self.faults.clone() })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        outcome(&self.faults.create)?;
        RealDisk.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.open(path).map(|file| self.wrap(file))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        outcome(&self.faults.sync)?;
        RealDisk.sync_folder(path)
    }
}

impl DiskFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.faults.write_gate.pass();
        if let Err(error) = outcome(&self.faults.write) {
            let short = self.faults.written_before.swap(0, Ordering::SeqCst).min(bytes.len());
            return if short == 0 { Err(error) } else { self.file.write_at(&bytes[..short], offset) };
        }
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.sync_gate.pass();
        outcome(&self.faults.sync)?;
        self.file.sync()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        outcome(&self.faults.cut)?;
        self.file.set_len(bytes)
    }

    fn seal(&self) -> io::Result<()> {
        self.file.seal()
    }
}
