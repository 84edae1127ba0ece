//! A SPDY/3.1 conversation inside a tunnel: exec, attach and port-forward of
//! kubectl below 1.31, port-forward inside WebSocket since.
//!
//! The client opens every stream and says in compressed headers what it is for.
//! Three places are kept: what the client has sent, what was read from the
//! server, and what has been passed on to the client; last words are said at the
//! third.
//!
//! Promises: which streams are open, and which of them carry errors, is read and
//! never guessed; from the moment a client can wait on its error stream any cut
//! looks like a failure to it ([`Conversation::guarded`]).

mod dictionary;
mod frames;
mod headers;

use std::collections::BTreeMap;

use self::{
    frames::{Frames, HEADERS, Kind, PING, Piece, RST_STREAM, SYN_REPLY, SYN_STREAM, write_data},
    headers::{BLOCK_BYTES_MAX, HeaderBlocks},
};

/// Streams of one conversation that are followed; those beyond get no last words.
const STREAMS_MAX: usize = 1024;

/// JSON ignores it, and half an answer is an error where none is a success.
const GUARD: &[u8] = b" ";

/// What is known of one conversation.
pub(super) struct Conversation {
    is_guarded: bool,
    sent: Frames,
    /// The body of the client's control frame that is under way.
    control: Vec<u8>,
    blocks: HeaderBlocks,
    read: Follower,
    said: Follower,
    streams: BTreeMap<u32, Stream>,
    /// Frames about streams, either way; a ping is about none.
    acts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stream {
    is_error: bool,
    /// The client was told that the server has it.
    is_replied: bool,
    is_over_for_client: bool,
    /// The client was told that nothing more comes.
    is_over_for_server: bool,
}

/// Follows what a server says of streams.
#[derive(Clone, Debug, Default)]
struct Follower {
    frames: Frames,
    /// The first four bytes of a control frame: the stream it is about.
    about: [u8; 4],
    have: usize,
}

/// What a server's frame said, once it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Replied { stream: u32, is_fin: bool },
    Data { stream: u32, is_fin: bool },
    Reset { stream: u32 },
    Other,
}

impl Conversation {
    /// A conversation that begins, without a guard.
    pub(super) fn new() -> Self {
        Self {
            is_guarded: false,
            sent: Frames::default(),
            control: Vec::new(),
            blocks: HeaderBlocks::new(),
            read: Follower::default(),
            said: Follower::default(),
            streams: BTreeMap::new(),
            acts: 0,
        }
    }

    /// How many frames said something so far, from either side.
    pub(super) fn acts(&self) -> u64 {
        self.acts
    }

    /// One whose error stream carries JSON: it is given a byte of it at once, so
    /// that kubectl takes any end for a failure and not for exit code 0.
    pub(super) fn guarded() -> Self {
        Self { is_guarded: true, ..Self::new() }
    }

    /// Takes note of what the client has sent.
    pub(super) fn client_sent(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.sent.next(&mut bytes) {
            match piece {
                Piece::Head(_) => {}
                Piece::Body(head, body) => {
                    let room = (BLOCK_BYTES_MAX + 10).saturating_sub(self.control.len());
                    match head.kind {
                        Kind::Control(SYN_STREAM | SYN_REPLY | HEADERS) if body.len() > room => self.blocks.lose(),
                        Kind::Control(_) => self.control.extend(body.iter().take(room)),
                        Kind::Data(_) => {}
                    }
                }
                Piece::End(head) => {
                    let control = std::mem::take(&mut self.control);
                    self.acts += u64::from(head.kind != Kind::Control(PING));
                    match head.kind {
                        Kind::Data(stream) if head.is_fin => self.is_over_for_client(stream),
                        Kind::Data(_) => {}
                        Kind::Control(kind) => self.client_says(kind, head.is_fin, &control),
                    }
                }
            }
        }
    }

    fn client_says(&mut self, kind: u16, is_fin: bool, control: &[u8]) {
        let Some((stream, rest)) = control.split_first_chunk::<4>() else { return };
        let stream = u32::from_be_bytes(*stream) & 0x7fff_ffff;
        match kind {
            SYN_STREAM => {
                // Associated stream, priority, slot.
                let block = rest.split_first_chunk::<6>().and_then(|(_, block)| self.blocks.next(block));
                let Some(block) = block else { return self.blocks.lose() };
                let is_error = block.get("streamtype") == Some(b"error");
                if self.streams.len() < STREAMS_MAX {
                    let opened =
                        Stream { is_error, is_replied: false, is_over_for_client: is_fin, is_over_for_server: false };
                    self.streams.insert(stream, opened);
                }
            }
            // Read, because the next block builds on it.
            SYN_REPLY | HEADERS => {
                if self.blocks.next(rest).is_none() {
                    self.blocks.lose();
                }
                if is_fin {
                    self.is_over_for_client(stream);
                }
            }
            RST_STREAM => {
                self.streams.remove(&stream);
            }
            _ => {}
        }
    }

    fn is_over_for_client(&mut self, stream: u32) {
        if let Some(found) = self.streams.get_mut(&stream) {
            found.is_over_for_client = true;
            if found.is_over_for_server {
                self.streams.remove(&stream);
            }
        }
    }

    /// Appends what was read from the server to `pending`, with the guard where
    /// it belongs. Returns the last boundary, as a length of `pending`.
    pub(super) fn take_in(&mut self, mut bytes: &[u8], pending: &mut Vec<u8>) -> Option<usize> {
        let mut boundary = None;
        loop {
            let before = bytes;
            let Some(event) = self.read.next(&mut bytes) else { return boundary };
            pending.extend_from_slice(before.get(..before.len() - bytes.len()).unwrap_or_default());
            let Some(event) = event else { continue };
            self.acts += u64::from(event != Event::Other);
            if let Event::Replied { stream, is_fin: false } = event
                && self.is_guarded
                && self.streams.get(&stream).is_some_and(|stream| stream.is_error)
            {
                write_data(stream, GUARD, false, pending);
            }
            boundary = Some(pending.len());
        }
    }

    /// Takes note of what was read from the server, without a guard.
    pub(super) fn read_on(&mut self, mut bytes: &[u8]) {
        while let Some(event) = self.read.next(&mut bytes) {
            self.acts += u64::from(event.is_some_and(|event| event != Event::Other));
        }
    }

    /// Whether what was read from the server ends with a frame.
    pub(super) fn is_read_whole(&self) -> bool {
        self.read.frames.is_at_boundary()
    }

    /// How many bytes the frame being read still lacks.
    pub(super) fn lacks(&self) -> u64 {
        self.read.frames.lacks()
    }

    /// Takes note of what was passed on to the client, up to the end of a frame
    /// or of `bytes`; returns what is left of them.
    pub(super) fn say<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some(event) = self.said.next(&mut bytes) {
            if let Some(event) = event {
                self.server_said(event);
                break;
            }
        }
        bytes
    }

    /// Whether the client has been sent whole frames only.
    pub(super) fn is_said_whole(&self) -> bool {
        self.said.frames.is_at_boundary()
    }

    fn server_said(&mut self, event: Event) {
        let (stream, is_fin) = match event {
            Event::Replied { stream, is_fin } => {
                if let Some(found) = self.streams.get_mut(&stream) {
                    found.is_replied = true;
                }
                (stream, is_fin)
            }
            Event::Data { stream, is_fin } => (stream, is_fin),
            Event::Reset { stream } => {
                self.streams.remove(&stream);
                return;
            }
            Event::Other => return,
        };
        if !is_fin {
            return;
        }
        if let Some(found) = self.streams.get_mut(&stream) {
            found.is_over_for_server = true;
            if found.is_over_for_client {
                self.streams.remove(&stream);
            }
        }
    }

    /// `words` on every error stream, and the end of all. Empty where no stream is
    /// open whose errors a client waits for.
    pub(super) fn last_words(&self, words: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let open = || self.streams.iter().filter(|(_, stream)| stream.is_replied && !stream.is_over_for_server);
        for (id, _) in open().filter(|(_, stream)| stream.is_error) {
            write_data(*id, words, true, &mut out);
        }
        if !out.is_empty() {
            for (id, _) in open().filter(|(_, stream)| !stream.is_error) {
                write_data(*id, b"", true, &mut out);
            }
        }
        out
    }
}

impl Follower {
    /// Takes the next piece off `bytes`; with an event where a frame ends.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Option<Event>> {
        Some(match self.frames.next(bytes)? {
            Piece::Head(_) => {
                self.have = 0;
                None
            }
            Piece::Body(_, body) => {
                for (place, byte) in self.about.iter_mut().skip(self.have).zip(body) {
                    *place = *byte;
                }
                self.have = self.have.saturating_add(body.len());
                None
            }
            Piece::End(head) => {
                let stream = u32::from_be_bytes(self.about) & 0x7fff_ffff;
                let is_about = self.have >= self.about.len();
                Some(match head.kind {
                    Kind::Data(stream) => Event::Data { stream, is_fin: head.is_fin },
                    Kind::Control(SYN_REPLY) if is_about => Event::Replied { stream, is_fin: head.is_fin },
                    Kind::Control(RST_STREAM) if is_about => Event::Reset { stream },
                    Kind::Control(_) => Event::Other,
                })
            }
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
