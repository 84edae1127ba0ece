//! Lines of one file after another, in flat memory.

use std::{
    cell::RefCell,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::CannotCheck;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// Opens a file to read from its start.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, CannotCheck> {
    let file = File::open(path).map_err(unreadable(path))?;
    Ok(BufReader::with_capacity(READ_BYTES, file))
}

/// Names the file in an error.
pub(crate) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> CannotCheck {
    let path = path.to_owned();
    move |source| CannotCheck::Unreadable { path, source }
}

/// The lines of some files.
pub(crate) struct Lines {
    coming: std::vec::IntoIter<PathBuf>,
    open: Option<BufReader<File>>,
    bytes_max: usize,
    line: Vec<u8>,
    /// Each file that was opened, with the number of lines before it.
    files: Vec<(PathBuf, u64)>,
    read: u64,
}

/// What comes next.
pub(crate) enum Piece<'a> {
    /// A line, without its end; of one that is too long, as much as shows that.
    Line(&'a [u8]),
    /// The end of a file without the end of a line.
    Torn(&'a [u8]),
    /// Nothing.
    End,
}

impl Lines {
    /// Of these files, in this order; lines of at most so many bytes are read whole.
    pub(crate) fn of(files: Vec<PathBuf>, bytes_max: usize) -> Self {
        Self { coming: files.into_iter(), open: None, bytes_max, line: Vec::new(), files: Vec::new(), read: 0 }
    }

    /// The next.
    pub(crate) fn next(&mut self) -> Result<Piece<'_>, CannotCheck> {
        loop {
            let Some(reader) = &mut self.open else {
                let Some(path) = self.coming.next() else { return Ok(Piece::End) };
                self.open = Some(open(&path)?);
                self.files.push((path, self.read));
                continue;
            };
            self.line.clear();
            let limit = self.bytes_max as u64 + 1;
            let read = reader.take(limit).read_until(b'\n', &mut self.line);
            let path = self.files.last().map(|(path, _)| path.as_path()).unwrap_or(Path::new(""));
            if read.map_err(unreadable(path))? == 0 {
                self.open = None;
                continue;
            }
            self.read += 1;
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
                return Ok(Piece::Line(&self.line));
            }
            let is_too_long = self.line.len() > self.bytes_max;
            return Ok(if is_too_long { Piece::Line(&self.line) } else { Piece::Torn(&self.line) });
        }
    }

    /// File and line in it, of a line counted over all.
    pub(crate) fn place(&self, line: u64) -> Option<(&Path, u64)> {
        let (path, before) = self.files.iter().rev().find(|(_, before)| *before < line)?;
        Some((path, line - before))
    }
}

/// What went wrong in a source that could not say so.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Rc<RefCell<Option<CannotCheck>>>);

impl Trouble {
    /// Keeps it.
    pub(crate) fn tell(&self, error: CannotCheck) {
        self.0.borrow_mut().get_or_insert(error);
    }

    /// Whether there was none.
    pub(crate) fn check(&self) -> Result<(), CannotCheck> {
        self.0.borrow_mut().take().map_or(Ok(()), Err)
    }
}
