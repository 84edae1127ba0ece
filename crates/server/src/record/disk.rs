//! What the store asks of a disk.
//!
//! Promises: the store writes through these two traits and nothing else, so that
//! a test can let any single call fail and drive the very code that ships.
//!
//! Left out on purpose: reading. What was written is read back with plain files;
//! a read that fails changes nothing.

use std::{
    fmt,
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

/// Nobody but this account reads what is written.
const FILE_MODE: u32 = 0o600;
/// Of a segment that is never written again.
const SEALED_MODE: u32 = 0o400;

/// Where files are.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// A new file; what stood there under this name is gone.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// A file that is there, for writing.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes the names in a folder survive a power cut.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A file that is written.
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Writes some of `bytes` at `offset`, and says how many.
    ///
    /// # Errors
    /// What the system says; nothing or some may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes what was written survive a power cut. After an error it is unknown
    /// what of it does, also when a later call succeeds.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off behind `bytes`.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Takes away everyone's right to write it.
    ///
    /// # Errors
    /// What the system says.
    fn seal(&self) -> io::Result<()>;
}

/// The disk itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().write(true).open(path)?))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn seal(&self) -> io::Result<()> {
        self.set_permissions(Permissions::from_mode(SEALED_MODE))
    }
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// What the system says; some may have been written.
pub(super) fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
