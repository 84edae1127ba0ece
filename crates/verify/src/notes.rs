//! Checkpoints in a file: signed notes, with an empty line between two.

use std::{borrow::Cow, path::Path};

use brevet_core::audit::{SignedCheckpoint, verify::Read};

use crate::{
    CannotCheck,
    lines::{Lines, Piece, Trouble},
};

/// Bytes of a line of a note.
const LINE_BYTES_MAX: usize = 1024;
/// Lines of a note: head, empty line, and the signatures that a checkpoint takes.
const NOTE_LINES_MAX: usize = 24;

/// The notes of one file, in its order.
pub(crate) struct Notes {
    lines: Lines,
    trouble: Trouble,
    is_over: bool,
}

impl Notes {
    /// Of that file.
    pub(crate) fn open(path: &Path) -> Result<impl Iterator<Item = Read<SignedCheckpoint>> + use<>, CannotCheck> {
        // Opened once here, so that a missing file is told at once.
        crate::lines::open(path)?;
        Ok(Self::of(path, Trouble::default()))
    }

    /// Of that file, telling what goes wrong.
    pub(crate) fn of(path: &Path, trouble: Trouble) -> Self {
        Self { lines: Lines::of(vec![path.to_owned()], LINE_BYTES_MAX), trouble, is_over: false }
    }

    /// Head and signatures of the next note; `None`: there is none.
    fn text(&mut self) -> Read<Option<String>> {
        let mut text = String::new();
        let mut empty = 0;
        for _ in 0..NOTE_LINES_MAX {
            match self.lines.next() {
                Ok(Piece::Line(b"")) => {
                    empty += 1;
                    if empty == 2 {
                        return Ok(Some(text));
                    }
                    text.push('\n');
                }
                Ok(Piece::Line(line)) => {
                    let line = str::from_utf8(line).map_err(|_| Cow::from("it is not UTF-8"))?;
                    text.push_str(line);
                    text.push('\n');
                }
                Ok(Piece::Torn(_)) => return Err("the last line has no end".into()),
                Ok(Piece::End) => return Ok(Some(text).filter(|text| !text.is_empty())),
                Err(error) => {
                    let told = error.to_string();
                    self.trouble.tell(error);
                    return Err(told.into());
                }
            }
        }
        Err("a checkpoint has at most 16 signatures".into())
    }
}

impl Iterator for Notes {
    type Item = Read<SignedCheckpoint>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = match self.text() {
            Ok(None) => return None,
            Ok(Some(text)) => SignedCheckpoint::parse(&text).ok_or_else(|| Cow::from("it is not of the format")),
            Err(why) => Err(why),
        };
        self.is_over = read.is_err();
        Some(read)
    }
}
