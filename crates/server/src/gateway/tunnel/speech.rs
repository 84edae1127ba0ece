//! What is spoken inside a tunnel, and how its last words are put there.
//!
//! Promises: words are said where the client reads them as words, or not at all:
//! whole frames only are passed on ([`Speech::take_in`]), so that a tunnel can be
//! ended between two of them without another byte from kube-apiserver. Nothing
//! that passes is changed, but for the guard of [`Conversation::guarded`].
//!
//! Frames are as they were tried with kubectl; see the guide on what a person
//! sees when a stream is cut.

use super::{
    spdy::Conversation,
    websocket::{self, Frames, NORMAL_CLOSURE, POLICY_VIOLATION, Piece},
};

/// The channel of `*.channel.k8s.io` that carries the outcome.
const ERROR_CHANNEL: u8 = 3;

/// How a client and kube-apiserver speak once a tunnel is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `v4.channel.k8s.io` or `v5.channel.k8s.io` of exec and attach.
    Channels,
    /// Any other WebSocket: an application behind `proxy`, a watch.
    OtherWebSocket,
    /// exec and attach over SPDY, `v4.channel.k8s.io`: errors are a Status.
    Spdy,
    /// The same, older: errors are text.
    SpdyText,
    /// port-forward over SPDY.
    SpdyForward,
    /// port-forward over SPDY in WebSocket messages.
    TunnelledForward,
}

/// The state of one tunnel's speech.
pub(super) struct Speech {
    protocol: Protocol,
    socket: Option<WebSocket>,
    spdy: Option<Box<Conversation>>,
    /// What was said in messages, either way; pings say nothing.
    acts: u64,
}

#[derive(Default)]
struct WebSocket {
    sent: Frames,
    read: Frames,
    said: Frames,
}

/// What to say at the end, and who then closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastWords {
    pub(super) bytes: Vec<u8>,
    /// The client closes when it has read them. Otherwise these bytes follow a
    /// moment later, and the connection is closed by us.
    pub(super) farewell: Option<Vec<u8>>,
}

impl Protocol {
    /// Its name in receipts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Channels => "websocket-channels",
            Self::OtherWebSocket => "websocket",
            Self::Spdy | Self::SpdyText => "spdy",
            Self::SpdyForward => "spdy-port-forward",
            Self::TunnelledForward => "websocket-port-forward",
        }
    }
}

impl Speech {
    /// The beginning of a tunnel.
    pub(super) fn new(protocol: Protocol) -> Self {
        let spdy = match protocol {
            Protocol::Channels | Protocol::OtherWebSocket => None,
            Protocol::Spdy => Some(Conversation::guarded()),
            Protocol::SpdyText | Protocol::SpdyForward | Protocol::TunnelledForward => Some(Conversation::new()),
        };
        let socket = match protocol {
            Protocol::Channels | Protocol::OtherWebSocket | Protocol::TunnelledForward => Some(WebSocket::default()),
            Protocol::Spdy | Protocol::SpdyText | Protocol::SpdyForward => None,
        };
        Self { protocol, socket, spdy: spdy.map(Box::new), acts: 0 }
    }

    /// Takes note of what the client has sent.
    pub(super) fn client_sent(&mut self, mut bytes: &[u8]) {
        let Some(socket) = &mut self.socket else {
            return self.spdy.iter_mut().for_each(|spdy| spdy.client_sent(bytes));
        };
        while let Some(piece) = socket.sent.next(&mut bytes) {
            match (piece, &mut self.spdy) {
                (Piece::Message(masked), Some(spdy)) => masked.in_clear(|clear| spdy.client_sent(clear)),
                (Piece::Message(_), None) => self.acts += 1,
                _ => {}
            }
        }
    }

    /// How often something was said so far, by either side; keeping the connection alive is no such thing.
    pub(super) fn acts(&self) -> u64 {
        self.acts + self.spdy.as_ref().map_or(0, |spdy| spdy.acts())
    }

    /// Appends what was read from kube-apiserver to `pending`. Returns the last
    /// boundary between whole frames, as a length of `pending`.
    pub(super) fn take_in(&mut self, mut bytes: &[u8], pending: &mut Vec<u8>) -> Option<usize> {
        let Some(socket) = &mut self.socket else {
            return self.spdy.as_mut().and_then(|spdy| spdy.take_in(bytes, pending));
        };
        let start = pending.len();
        let whole = bytes.len();
        pending.extend_from_slice(bytes);
        let mut boundary = None;
        while let Some(piece) = socket.read.next(&mut bytes) {
            match (piece, &mut self.spdy) {
                (Piece::Message(masked), Some(spdy)) => masked.in_clear(|clear| spdy.read_on(clear)),
                (Piece::Message(_), None) => self.acts += 1,
                (Piece::End, None) => boundary = Some(start + whole - bytes.len()),
                (Piece::End, Some(spdy)) if spdy.is_read_whole() => boundary = Some(start + whole - bytes.len()),
                _ => {}
            }
        }
        boundary
    }

    /// How many bytes the frame that is being read lacks at least.
    pub(super) fn lacks(&self) -> u64 {
        let socket = self.socket.as_ref().map_or(0, |socket| socket.read.lacks());
        socket.max(self.spdy.as_ref().map_or(0, |spdy| spdy.lacks()))
    }

    /// Takes note of what was passed on to the client.
    pub(super) fn say(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = self.say_some(bytes);
        }
    }

    /// How much of `pending` must still be passed on to stand between two frames;
    /// `None` when it does not reach that far. Counts as said.
    pub(super) fn say_to_boundary(&mut self, pending: &[u8]) -> Option<usize> {
        let mut rest = pending;
        loop {
            if self.is_said_whole() {
                return Some(pending.len() - rest.len());
            }
            if rest.is_empty() {
                return None;
            }
            rest = self.say_some(rest);
        }
    }

    /// The same, up to the end of a frame at most; returns what is left.
    fn say_some<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        let Some(socket) = &mut self.socket else {
            return self.spdy.as_mut().map_or(&[], |spdy| spdy.say(bytes));
        };
        while let Some(piece) = socket.said.next(&mut bytes) {
            match (piece, &mut self.spdy) {
                (Piece::Message(masked), Some(spdy)) => masked.in_clear(|mut clear| {
                    while !clear.is_empty() {
                        clear = spdy.say(clear);
                    }
                }),
                (Piece::End, _) => break,
                _ => {}
            }
        }
        bytes
    }

    fn is_said_whole(&self) -> bool {
        self.socket.as_ref().is_none_or(|socket| socket.said.is_at_boundary())
            && self.spdy.as_ref().is_none_or(|spdy| spdy.is_said_whole())
    }

    /// What to tell the client at a boundary; nothing where nobody would read it.
    pub(super) fn last_words(&self, sentence: &str) -> LastWords {
        let spoken = |words: &[u8]| self.spdy.as_ref().map(|spdy| spdy.last_words(words)).unwrap_or_default();
        if self.socket.as_ref().is_some_and(|socket| socket.said.is_closed()) {
            return LastWords { bytes: Vec::new(), farewell: None };
        }
        let mut bytes = Vec::new();
        if self.socket.as_ref().is_some_and(|socket| socket.said.is_message_open()) {
            websocket::write_end_of_message(&mut bytes);
        }
        match self.protocol {
            Protocol::Channels => {
                websocket::write_message(&[&[ERROR_CHANNEL], &status(sentence)], &mut bytes);
                websocket::write_close(NORMAL_CLOSURE, "", &mut bytes);
                LastWords { bytes, farewell: None }
            }
            Protocol::OtherWebSocket => {
                websocket::write_close(POLICY_VIOLATION, sentence, &mut bytes);
                LastWords { bytes, farewell: Some(Vec::new()) }
            }
            Protocol::Spdy => LastWords { bytes: spoken(&status(sentence)), farewell: None },
            Protocol::SpdyText => LastWords { bytes: spoken(sentence.as_bytes()), farewell: None },
            Protocol::SpdyForward => LastWords { bytes: spoken(sentence.as_bytes()), farewell: Some(Vec::new()) },
            Protocol::TunnelledForward => {
                let frames = spoken(sentence.as_bytes());
                if !frames.is_empty() {
                    websocket::write_message(&[&frames], &mut bytes);
                }
                let mut farewell = Vec::new();
                websocket::write_close(NORMAL_CLOSURE, "", &mut farewell);
                LastWords { bytes, farewell: Some(farewell) }
            }
        }
    }
}

/// What kubectl prints as `error: <sentence>`, exiting with 1.
fn status(sentence: &str) -> Vec<u8> {
    serde_json::json!({"metadata": {}, "status": "Failure", "message": sentence}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::spdy::tests::{Client, data, replies},
        *,
    };

    fn message(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        websocket::write_message(&[bytes], &mut out);
        out
    }

    fn masked(bytes: &[u8]) -> Vec<u8> {
        let key = [9, 200, 3, 77];
        let mut out = vec![0x82, 0x80 | 126];
        out.extend((bytes.len() as u16).to_be_bytes());
        out.extend(key);
        out.extend(bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        out
    }

    #[test]
    fn an_exec_over_websocket_is_told_by_the_error_channel_and_closed() {
        let mut speech = Speech::new(Protocol::Channels);
        speech.say(&message(b"\x01hello"));
        let words = speech.last_words("over");
        let status = br#"{"message":"over","metadata":{},"status":"Failure"}"#;
        let expected = [message(&[&[3], &status[..]].concat()), vec![0x88, 2, 0x03, 0xe8]].concat();
        assert_eq!(words, LastWords { bytes: expected, farewell: None });
    }

    #[test]
    fn a_message_in_pieces_is_ended_first() {
        let mut speech = Speech::new(Protocol::Channels);
        speech.say(&[0x02, 2, 1, b'h']);
        assert!(speech.last_words("over").bytes.starts_with(&[0x80, 0x00, 0x82]));
    }

    #[test]
    fn nothing_follows_a_close_of_the_server() {
        let mut speech = Speech::new(Protocol::Channels);
        speech.say(&[0x88, 2, 0x03, 0xe8]);
        assert!(speech.last_words("over").bytes.is_empty());
    }

    #[test]
    fn a_port_forward_inside_websocket_is_told_in_one_message() {
        let (mut speech, mut client) = (Speech::new(Protocol::TunnelledForward), Client::new());
        for (stream, kind) in [(1, "error"), (3, "error"), (5, "data"), (7, "data")] {
            let sent = masked(&client.opens(stream, kind));
            for piece in sent.chunks(5) {
                speech.client_sent(piece);
            }
            speech.say(&message(&replies(stream)));
        }
        let words = speech.last_words("S");
        let frames = [data(1, b"S", true), data(3, b"S", true), data(5, b"", true), data(7, b"", true)].concat();
        assert_eq!(words.bytes, message(&frames));
        assert_eq!(words.farewell, Some(vec![0x88, 2, 0x03, 0xe8]));
    }

    #[test]
    fn a_spdy_frame_spread_over_messages_is_passed_on_whole() {
        let mut speech = Speech::new(Protocol::TunnelledForward);
        let frame = data(5, b"hello", false);
        let mut pending = vec![];
        assert_eq!(speech.take_in(&message(&frame[..4]), &mut pending), None);
        assert_eq!(speech.take_in(&message(&frame[4..8]), &mut pending), None);
        assert_eq!(speech.lacks(), 5);
        let whole = speech.take_in(&message(&frame[8..]), &mut pending);
        assert_eq!(whole, Some(pending.len()));
    }

    #[test]
    fn an_idle_port_forward_is_only_ended() {
        assert!(Speech::new(Protocol::SpdyForward).last_words("S").bytes.is_empty());
        assert!(Speech::new(Protocol::TunnelledForward).last_words("S").bytes.is_empty());
    }

    /// What kube-apiserver sends in each protocol, and where its frames end.
    fn wire(protocol: Protocol, lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let (mut wire, mut ends) = (vec![], vec![0]);
        for length in lengths {
            let bytes = vec![b'x'; *length];
            wire.extend(match protocol {
                Protocol::Channels | Protocol::OtherWebSocket => message(&bytes),
                Protocol::TunnelledForward => {
                    let frame = data(5, &bytes, false);
                    [message(&frame[..4]), message(&frame[4..])].concat()
                }
                _ => data(5, &bytes, false),
            });
            ends.push(wire.len());
        }
        (wire, ends)
    }

    proptest! {
        /// The heart of a clean cut: wherever passing on stops, what still has to be
        /// passed on ends at a frame's end and lies within what was read as whole.
        #[test]
        fn wherever_a_tunnel_is_ended_it_stands_between_two_frames(
            protocol in prop::sample::select(vec![
                Protocol::Channels, Protocol::Spdy, Protocol::SpdyForward, Protocol::TunnelledForward,
            ]),
            lengths in prop::collection::vec(0..700usize, 1..8),
            read in 1..900usize,
            stop in 0.0..1.0f64,
        ) {
            let (wire, ends) = wire(protocol, &lengths);
            let (mut speech, mut pending, mut whole) = (Speech::new(protocol), vec![], 0);
            let stop = (wire.len() as f64 * stop) as usize;
            for piece in wire[..stop].chunks(read) {
                whole = speech.take_in(piece, &mut pending).unwrap_or(whole);
            }
            prop_assert!(ends.contains(&whole));
            prop_assert!(ends.iter().filter(|end| **end <= stop).max() == Some(&whole));
            let said = (whole as f64 * 0.6) as usize;
            speech.say(&pending[..said]);
            let more = speech.say_to_boundary(&pending[said..whole]).unwrap();
            prop_assert!(ends.contains(&(said + more)), "{} {:?}", said + more, ends);
            prop_assert!(ends.iter().all(|end| *end < said || *end >= said + more));
        }
    }
}
