//! The last words of an exchange, where its format has room for any.
//!
//! Promises: a word is only ever said at a boundary of the format, so that what
//! came before stays readable; a compressed or sized answer gets none.

use brevet_core::call::Call;
use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};

use super::protobuf::{self, Frames};
use crate::gateway::reply;

/// How an answer can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A watch in JSON: one event a line.
    Events,
    /// A watch in protobuf: one event a frame.
    Frames,
    /// A log that is followed: lines of text.
    Lines,
    /// Anything else: it ends where it stands.
    Opaque,
}

/// The format of one answer, and whether it stands at a boundary.
#[derive(Debug)]
pub(super) struct Edge {
    format: Format,
    ends_a_line: bool,
    frames: Frames,
}

impl Format {
    /// Of the answer with this head to this call.
    pub(super) fn of(call: &Call, code: StatusCode, headers: &HeaderMap) -> Self {
        let is_plain = !headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(CONTENT_LENGTH);
        let Call::Resource(call) = call else { return Self::Opaque };
        if code != StatusCode::OK || !is_plain {
            return Self::Opaque;
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if call.verb == "watch" && content_type.starts_with("application/json") {
            Self::Events
        } else if call.verb == "watch" && content_type.starts_with("application/vnd.kubernetes.protobuf;stream=watch") {
            Self::Frames
        } else if call.subresource == "log" && call.is_long_running() && content_type.starts_with("text/plain") {
            Self::Lines
        } else {
            Self::Opaque
        }
    }
}

impl Edge {
    /// An answer that has not begun.
    pub(super) fn new(format: Format) -> Self {
        Self { format, ends_a_line: true, frames: Frames::default() }
    }

    /// Takes note of bytes that pass.
    pub(super) fn passes(&mut self, bytes: &[u8]) {
        match self.format {
            Format::Frames => self.frames.passes(bytes),
            _ => self.ends_a_line = bytes.last().map_or(self.ends_a_line, |last| *last == b'\n'),
        }
    }

    fn is_at_boundary(&self) -> bool {
        self.ends_a_line && self.frames.is_at_boundary()
    }

    /// What to say at the end; nothing where nothing can be said.
    pub(super) fn last_words(&self, sentence: &str) -> Option<Bytes> {
        match self.format {
            Format::Frames if self.is_at_boundary() => Some(protobuf::error_event(sentence, "Forbidden", 403)),
            Format::Events if self.is_at_boundary() => {
                let status = reply::status_object(StatusCode::FORBIDDEN, None, sentence);
                Some(Bytes::from(format!("{}\n", serde_json::json!({"type": "ERROR", "object": status}))))
            }
            Format::Lines => {
                let start = if self.is_at_boundary() { "" } else { "\n" };
                Some(Bytes::from(format!("{start}{sentence}\n")))
            }
            Format::Events | Format::Frames | Format::Opaque => None,
        }
    }

    /// Whether the answer is whole after its last words. A log must look torn, so that kubectl fails.
    pub(super) fn is_whole_then(&self) -> bool {
        matches!(self.format, Format::Events | Format::Frames) && self.is_at_boundary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_not_said_into_the_middle_of_another() {
        let mut edge = Edge::new(Format::Events);
        assert!(edge.last_words("over").is_some());
        edge.passes(b"{\"type\":");
        assert!(edge.last_words("over").is_none() && !edge.is_whole_then());
        edge.passes(b"\"ADDED\"}\n");
        let words = edge.last_words("over").unwrap();
        let event: serde_json::Value = serde_json::from_slice(&words).unwrap();
        assert_eq!(event["type"], "ERROR");
        assert_eq!((&event["object"]["message"], &event["object"]["code"]), (&"over".into(), &403.into()));
        assert!(words.ends_with(b"\n") && edge.is_whole_then());
    }

    #[test]
    fn a_log_ends_with_a_line_of_its_own_and_torn() {
        let mut edge = Edge::new(Format::Lines);
        edge.passes(b"half a li");
        assert_eq!(edge.last_words("over").unwrap(), "\nover\n");
        edge.passes(b"ne\n");
        assert_eq!(edge.last_words("over").unwrap(), "over\n");
        assert!(!edge.is_whole_then());
    }

    #[test]
    fn a_frame_is_not_said_into_the_middle_of_another() {
        let mut edge = Edge::new(Format::Frames);
        edge.passes(b"\0\0\0\x03a\n");
        assert!(edge.last_words("over").is_none() && !edge.is_whole_then());
        edge.passes(b"b");
        assert!(edge.last_words("over").is_some() && edge.is_whole_then());
    }

    #[test]
    fn nothing_is_said_into_anything_else() {
        assert_eq!(Edge::new(Format::Opaque).last_words("over"), None);
    }
}
