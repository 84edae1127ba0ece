//! As much of Kubernetes' protobuf as the last words of a watch need.
//!
//! A watch in protobuf is a row of frames: four bytes of length, then a
//! `WatchEvent` whose object is itself an envelope (`k8s\0` and an `Unknown`).
//!
//! Left out on purpose: reading. Frames are counted, never opened.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Where in a row of frames the bytes so far have ended.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes of a length that is not whole yet, and how many.
    length: u32,
    length_bytes: u8,
    /// Bytes of the frame that are still to come.
    rest: usize,
}

impl Frames {
    /// Takes note of bytes that pass.
    pub(super) fn passes(&mut self, mut bytes: &[u8]) {
        while let Some((first, others)) = bytes.split_first() {
            if self.rest > 0 {
                let step = self.rest.min(bytes.len());
                self.rest -= step;
                bytes = bytes.get(step..).unwrap_or_default();
                continue;
            }
            self.length = self.length << 8 | u32::from(*first);
            self.length_bytes += 1;
            if self.length_bytes == 4 {
                self.rest = usize::try_from(self.length).unwrap_or(usize::MAX);
                (self.length, self.length_bytes) = (0, 0);
            }
            bytes = others;
        }
    }

    /// Whether a frame has just ended, or none has begun.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.rest == 0 && self.length_bytes == 0
    }
}

/// A frame with an `ERROR` event whose object is a `Status`.
pub(super) fn error_event(message: &str, reason: &str, code: u16) -> Bytes {
    let mut status = BytesMut::new();
    text(&mut status, 2, "Failure");
    text(&mut status, 3, message);
    text(&mut status, 4, reason);
    number(&mut status, 6, code.into());

    let mut kind = BytesMut::new();
    text(&mut kind, 1, "v1");
    text(&mut kind, 2, "Status");
    let mut envelope = BytesMut::from(&b"k8s\0"[..]);
    field(&mut envelope, 1, &kind);
    field(&mut envelope, 2, &status);
    text(&mut envelope, 3, "");
    text(&mut envelope, 4, "");

    let mut object = BytesMut::new();
    field(&mut object, 1, &envelope);
    let mut event = BytesMut::new();
    text(&mut event, 1, "ERROR");
    field(&mut event, 2, &object);

    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(event.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(&event);
    frame.freeze()
}

fn text(to: &mut BytesMut, number: u8, text: &str) {
    field(to, number, text.as_bytes());
}

fn field(to: &mut BytesMut, number: u8, bytes: &[u8]) {
    to.put_u8(number << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn number(to: &mut BytesMut, number: u8, value: u64) {
    to.put_u8(number << 3);
    varint(to, value);
}

fn varint(to: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        to.put_u8(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    to.put_u8(u8::try_from(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_found_however_the_bytes_are_cut() {
        let frame = error_event("over", "Forbidden", 403);
        let row = [frame.as_ref(), frame.as_ref()].concat();
        for step in 1..row.len() {
            let mut frames = Frames::default();
            let mut passed = 0;
            for bytes in row.chunks(step) {
                frames.passes(bytes);
                passed += bytes.len();
                assert_eq!(frames.is_at_boundary(), passed % frame.len() == 0, "after {passed} by {step}");
            }
        }
    }

    #[test]
    fn an_event_is_written_byte_for_byte() {
        let event = error_event("m", "R", 403);
        let status = b"\x12\x07Failure\x1a\x01m\x22\x01R\x30\x93\x03";
        let inner = [b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status\x12\x12".as_slice(), status, b"\x1a\x00\x22\x00"].concat();
        let object = [b"\x0a".as_slice(), &[inner.len() as u8], &inner].concat();
        let whole = [b"\x0a\x05ERROR\x12".as_slice(), &[object.len() as u8], &object].concat();
        assert_eq!(&event[..4], (whole.len() as u32).to_be_bytes());
        assert_eq!(&event[4..], whole);
    }
}
