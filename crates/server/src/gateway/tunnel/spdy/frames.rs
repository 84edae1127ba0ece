//! SPDY/3.1 frames: where one ends, what kind it is, and how to write ours.
//!
//! Promises: any bytes in any pieces can be fed; nothing is kept but a head of
//! eight bytes.

/// Four bytes of stream or kind, one of flags, three of length.
const HEAD_BYTES: usize = 8;

/// The sender says nothing more on this stream.
const FIN: u8 = 1;

/// Kinds of control frames that matter here.
pub(super) const SYN_STREAM: u16 = 1;
pub(super) const SYN_REPLY: u16 = 2;
pub(super) const RST_STREAM: u16 = 3;
pub(super) const PING: u16 = 6;
pub(super) const HEADERS: u16 = 8;

/// Where one direction of a connection stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    have: usize,
    body: Option<(Head, u32)>,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) is_fin: bool,
    pub(super) length: u32,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of a stream.
    Data(u32),
    /// Something about streams or the connection.
    Control(u16),
}

/// A part of what was fed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes of a head; with the head, when it is whole.
    Head(Option<Head>),
    /// Bytes of a body.
    Body(Head, &'a [u8]),
    /// The end of a frame; no bytes.
    End(Head),
}

impl Frames {
    /// Whether the next byte begins a frame.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.have == 0 && self.body.is_none()
    }

    /// How many bytes the current frame still lacks, as far as is known.
    pub(super) fn lacks(&self) -> u64 {
        self.body.map_or(0, |(_, left)| u64::from(left))
    }

    /// Takes the next piece off `bytes`; `None` when there is no more to tell.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        let Some((head, left)) = &mut self.body else {
            return self.take_head(bytes);
        };
        let head = *head;
        if *left == 0 {
            self.body = None;
            return Some(Piece::End(head));
        }
        if bytes.is_empty() {
            return None;
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(*left as usize));
        *bytes = rest;
        // No more than what is left was taken.
        *left -= taken.len() as u32;
        Some(Piece::Body(head, taken))
    }

    fn take_head<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if bytes.is_empty() {
            return None;
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.have));
        *bytes = rest;
        for (place, byte) in self.head.iter_mut().skip(self.have).zip(taken) {
            *place = *byte;
        }
        self.have += taken.len();
        if self.have < HEAD_BYTES {
            return Some(Piece::Head(None));
        }
        self.have = 0;
        let head = Head::of(self.head);
        self.body = Some((head, head.length));
        Some(Piece::Head(Some(head)))
    }
}

impl Head {
    fn of(bytes: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, d, flags, e, f, g] = bytes;
        let word = u32::from_be_bytes([a, b, c, d]);
        let kind = match word & 0x8000_0000 {
            0 => Kind::Data(word),
            // The low half: what is above it is the version.
            _ => Kind::Control((word & 0xffff) as u16),
        };
        Self { kind, is_fin: flags & FIN != 0, length: u32::from_be_bytes([0, e, f, g]) }
    }
}

/// Writes bytes of a stream; `is_fin`: its last.
pub(super) fn write_data(stream: u32, bytes: &[u8], is_fin: bool, out: &mut Vec<u8>) {
    let [_, length @ ..] = (bytes.len() as u32).to_be_bytes();
    out.extend(stream.to_be_bytes());
    out.push(u8::from(is_fin) * FIN);
    out.extend(length);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_are_found_in_whatever_pieces_they_come(
            sent in prop::collection::vec((any::<u32>(), any::<bool>(), 0..3000usize), 1..8),
            sizes in prop::collection::vec(1..4000usize, 1..8),
        ) {
            let (mut wire, mut ends) = (vec![], vec![]);
            for (word, is_fin, length) in &sent {
                write_data(*word, &vec![9; *length], *is_fin, &mut wire);
                ends.push((wire.len(), *is_fin, *length as u32));
            }
            let (mut frames, mut found, mut at) = (Frames::default(), vec![], 0);
            let mut sizes = sizes.iter().cycle();
            while at < wire.len() {
                let end = (at + sizes.next().unwrap()).min(wire.len());
                let mut piece = &wire[at..end];
                while let Some(part) = frames.next(&mut piece) {
                    if let Piece::End(head) = part {
                        found.push((end - piece.len(), head.is_fin, head.length));
                    }
                }
                at = end;
            }
            prop_assert!(frames.is_at_boundary());
            prop_assert_eq!(found, ends);
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
    fn heads_are_told_apart() {
        let head = |bytes| Head::of(bytes);
        assert_eq!(head([0, 0, 0, 5, 1, 0, 1, 0]), Head { kind: Kind::Data(5), is_fin: true, length: 256 });
        let reply = Head { kind: Kind::Control(SYN_REPLY), is_fin: false, length: 12 };
        assert_eq!(head([0x80, 3, 0, 2, 0, 0, 0, 12]), reply);
    }

    #[test]
    fn the_guard_is_as_it_was_tried() {
        let mut out = vec![];
        write_data(1, b" ", false, &mut out);
        assert_eq!(out, [0, 0, 0, 1, 0, 0, 0, 1, 0x20]);
    }
}
