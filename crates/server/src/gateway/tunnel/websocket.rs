//! WebSocket frames (RFC 6455), as far as a tunnel has to know them: where one
//! ends, what it carries, and how to write our own.
//!
//! Promises: any bytes in any pieces can be fed, nothing is kept but a head of
//! 14 bytes; lengths of 64 bits never overflow.
//!
//! Left out on purpose: extensions (the gateway offers none), checking UTF-8,
//! and answering pings: the two ends do that.

/// The longest head: two bytes, eight of length, four of key.
const HEAD_BYTES_MAX: usize = 14;

/// A close frame's whole body is at most 125 bytes, two of them the code.
const CLOSE_REASON_BYTES_MAX: usize = 123;

const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const FINAL: u8 = 0x80;

/// Everything was said.
pub(super) const NORMAL_CLOSURE: u16 = 1000;
/// The connection ends by a rule.
pub(super) const POLICY_VIOLATION: u16 = 1008;

/// Where one direction of a connection stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES_MAX],
    have: usize,
    body: Option<Body>,
    is_message_open: bool,
    is_closed: bool,
}

#[derive(Clone, Debug)]
struct Body {
    opcode: u8,
    is_final: bool,
    key: [u8; 4],
    at: u64,
    length: u64,
}

/// A part of what was fed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes of a head, complete or not.
    Head,
    /// Bytes of a message.
    Message(Masked<'a>),
    /// Bytes of a ping, pong or close.
    Control,
    /// The end of a frame; no bytes.
    End,
}

/// Bytes of a message as they are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masked<'a> {
    pub(super) bytes: &'a [u8],
    key: [u8; 4],
    at: u64,
}

impl Frames {
    /// Whether the next byte begins a frame.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.have == 0 && self.body.is_none()
    }

    /// Whether a message has begun and its last frame has not come.
    pub(super) fn is_message_open(&self) -> bool {
        self.is_message_open
    }

    /// Whether a close frame has passed: nothing may follow it.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How many bytes the current frame still lacks, as far as is known.
    pub(super) fn lacks(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.length - body.at)
    }

    /// Takes the next piece off `bytes`; `None` when there is no more to tell.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        let Some(body) = &mut self.body else {
            return self.take_head(bytes);
        };
        let left = body.length - body.at;
        if left == 0 {
            let (opcode, is_final) = (body.opcode, body.is_final);
            self.body = None;
            match opcode {
                CLOSE => self.is_closed = true,
                opcode if opcode < CLOSE => self.is_message_open = !is_final,
                _ => {}
            }
            return Some(Piece::End);
        }
        if bytes.is_empty() {
            return None;
        }
        let (taken, rest) = bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
        *bytes = rest;
        let at = body.at;
        body.at += taken.len() as u64;
        Some(match body.opcode < CLOSE {
            true => Piece::Message(Masked { bytes: taken, key: body.key, at }),
            false => Piece::Control,
        })
    }

    fn take_head<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if bytes.is_empty() {
            return None;
        }
        while let Some((first, rest)) = bytes.split_first() {
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *first;
            }
            self.have += 1;
            *bytes = rest;
            if let Some(body) = body_of(self.head.get(..self.have).unwrap_or_default()) {
                self.body = Some(body);
                self.have = 0;
                break;
            }
        }
        Some(Piece::Head)
    }
}

/// What follows a head; `None` while it is not whole.
fn body_of(head: &[u8]) -> Option<Body> {
    let [first, second, rest @ ..] = head else { return None };
    let (length, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length), rest)
        }
        length => (u64::from(length), rest),
    };
    let key = if second & 0x80 == 0 { [0; 4] } else { *rest.first_chunk()? };
    Some(Body { opcode: first & 0x0f, is_final: first & FINAL != 0, key, at: 0, length })
}

impl Masked<'_> {
    /// Hands the bytes in clear to `take`, in pieces.
    pub(super) fn in_clear(&self, mut take: impl FnMut(&[u8])) {
        if self.key == [0; 4] {
            return take(self.bytes);
        }
        let mut key = self.key;
        // In 0..4: a remainder.
        key.rotate_left((self.at % 4) as usize);
        let mut clear = [0; 1024];
        // 1024 is a multiple of 4: each piece begins at the same byte of the key.
        for piece in self.bytes.chunks(clear.len()) {
            for ((to, from), key) in clear.iter_mut().zip(piece).zip(key.iter().cycle()) {
                *to = from ^ key;
            }
            take(clear.get(..piece.len()).unwrap_or_default());
        }
    }
}

/// Writes one whole binary message, as a server does.
pub(super) fn write_message(parts: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(FINAL | BINARY);
    match length {
        // Both fit by their arms.
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Ends a message of which more was to come.
pub(super) fn write_end_of_message(out: &mut Vec<u8>) {
    out.extend([FINAL | CONTINUATION, 0]);
}

/// Writes a close frame; a reason that is too long is cut short.
pub(super) fn write_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let reason = reason.get(..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)).unwrap_or_default();
    // At most 125.
    out.extend([FINAL | CLOSE, (2 + reason.len()) as u8]);
    out.extend(code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    struct Sent {
        opcode: u8,
        is_final: bool,
        key: Option<[u8; 4]>,
        body: Vec<u8>,
    }

    fn write(frame: &Sent) -> Vec<u8> {
        let mut out = vec![frame.opcode | if frame.is_final { 0x80 } else { 0 }];
        let mask = if frame.key.is_some() { 0x80 } else { 0 };
        match frame.body.len() {
            length @ 0..=125 => out.push(length as u8 | mask),
            length @ 126..=0xffff => {
                out.push(126 | mask);
                out.extend((length as u16).to_be_bytes());
            }
            length => {
                out.push(127 | mask);
                out.extend((length as u64).to_be_bytes());
            }
        }
        if let Some(key) = frame.key {
            out.extend(key);
            out.extend(frame.body.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            out.extend(&frame.body);
        }
        out
    }

    fn frame() -> impl Strategy<Value = Sent> {
        let length = prop_oneof![0..130usize, Just(0xffff), Just(0x1_0000), 0..3000usize];
        let opcode = prop_oneof![Just(0u8), Just(1), Just(2), Just(9), Just(10)];
        (opcode, any::<bool>(), any::<Option<[u8; 4]>>(), length, any::<u8>()).prop_map(
            |(opcode, is_final, key, length, seed)| {
                let length = if opcode >= CLOSE { length.min(125) } else { length };
                let body = (0..length).map(|at| seed.wrapping_add(at as u8)).collect();
                Sent { opcode, is_final: is_final || opcode >= CLOSE, key, body }
            },
        )
    }

    /// Feeds `wire` in pieces of `sizes`; returns the messages' bytes, and the boundaries seen.
    fn feed(wire: &[u8], sizes: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let (mut frames, mut clear, mut boundaries, mut at) = (Frames::default(), vec![], vec![], 0);
        let mut sizes = sizes.iter().cycle();
        while at < wire.len() {
            let end = (at + sizes.next().unwrap()).min(wire.len());
            let mut piece = &wire[at..end];
            while let Some(part) = frames.next(&mut piece) {
                match part {
                    Piece::Message(masked) => masked.in_clear(|bytes| clear.extend_from_slice(bytes)),
                    Piece::End => {
                        assert!(frames.is_at_boundary());
                        boundaries.push(end - piece.len());
                    }
                    Piece::Head | Piece::Control => {}
                }
            }
            at = end;
        }
        assert!(frames.is_at_boundary());
        (clear, boundaries)
    }

    proptest! {
        #[test]
        fn frames_are_found_in_whatever_pieces_they_come(
            sent in prop::collection::vec(frame(), 1..6),
            sizes in prop::collection::vec(1..5000usize, 1..8),
        ) {
            let mut wire = vec![];
            let mut ends = vec![];
            for frame in &sent {
                wire.extend(write(frame));
                ends.push(wire.len());
            }
            let clear: Vec<u8> = sent.iter().filter(|f| f.opcode < CLOSE).flat_map(|f| f.body.clone()).collect();
            prop_assert_eq!(feed(&wire, &sizes), (clear, ends));
        }

        #[test]
        fn any_bytes_are_taken_without_a_panic(wire in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut frames = Frames::default();
            let mut rest = wire.as_slice();
            while frames.next(&mut rest).is_some() {}
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn the_longest_length_is_waited_for() {
        let mut frames = Frames::default();
        let mut head: &[u8] = &[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(frames.next(&mut head), Some(Piece::Head));
        let mut body: &[u8] = &[7; 100];
        assert!(matches!(frames.next(&mut body), Some(Piece::Message(_))));
        assert_eq!((frames.lacks(), frames.is_at_boundary()), (u64::MAX - 100, false));
    }

    #[test]
    fn a_message_stays_open_until_its_last_frame_whatever_stands_between() {
        let mut frames = Frames::default();
        let mut feed = |wire: &[u8]| {
            let mut rest = wire;
            while frames.next(&mut rest).is_some() {}
            (frames.is_message_open(), frames.is_closed())
        };
        assert_eq!(feed(&[0x02, 1, 0xaa]), (true, false));
        assert_eq!(feed(&[0x89, 0]), (true, false));
        assert_eq!(feed(&[0x00, 1, 0xbb]), (true, false));
        assert_eq!(feed(&[0x80, 0]), (false, false));
        assert_eq!(feed(&[0x88, 2, 3, 0xe8]), (false, true));
    }

    #[test]
    fn our_own_frames_are_as_they_were_tried() {
        let mut out = vec![];
        write_message(&[&[3], b"{}"], &mut out);
        write_close(NORMAL_CLOSURE, "", &mut out);
        assert_eq!(out, [0x82, 3, 3, b'{', b'}', 0x88, 2, 0x03, 0xe8]);
        for length in [125, 126, 0xffff, 0x1_0000] {
            let mut out = vec![];
            write_message(&[&vec![1; length]], &mut out);
            assert_eq!(feed(&out, &[7]), (vec![1; length], vec![out.len()]));
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let mut out = vec![];
        write_close(POLICY_VIOLATION, &"é".repeat(100), &mut out);
        assert_eq!(out.len(), 2 + 2 + 122);
        assert_eq!(std::str::from_utf8(&out[4..]).unwrap(), "é".repeat(61));
    }
}
