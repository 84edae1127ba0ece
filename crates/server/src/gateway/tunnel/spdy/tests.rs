//! What a conversation knows after what both ends have said.

use proptest::prelude::*;

use super::{headers::tests::Writer, *};

/// The client's side of a conversation.
pub(in crate::gateway::tunnel) struct Client(Writer);

impl Client {
    pub(in crate::gateway::tunnel) fn new() -> Self {
        Self(Writer::new())
    }

    pub(in crate::gateway::tunnel) fn opens(&mut self, stream: u32, kind: &str) -> Vec<u8> {
        let block = self.0.block(&[("streamtype", kind), ("requestid", "7")]);
        let mut body = stream.to_be_bytes().to_vec();
        body.extend([0; 6]);
        body.extend(block);
        control(SYN_STREAM, &body)
    }
}

pub(in crate::gateway::tunnel) fn replies(stream: u32) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.extend(b"compressed");
    control(SYN_REPLY, &body)
}

pub(in crate::gateway::tunnel) fn data(stream: u32, bytes: &[u8], is_fin: bool) -> Vec<u8> {
    let mut out = vec![];
    write_data(stream, bytes, is_fin, &mut out);
    out
}

fn resets(stream: u32) -> Vec<u8> {
    control(RST_STREAM, &[stream.to_be_bytes(), 5u32.to_be_bytes()].concat())
}

fn control(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, 3];
    out.extend(kind.to_be_bytes());
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    out
}

fn says(talk: &mut Conversation, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = talk.say(bytes);
    }
}

/// An exec with stdin whose four streams are open.
fn exec() -> Conversation {
    let (mut talk, mut client) = (Conversation::guarded(), Client::new());
    for (stream, kind) in [(1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")] {
        talk.client_sent(&client.opens(stream, kind));
        says(&mut talk, &replies(stream));
    }
    talk
}

#[test]
fn an_exec_ends_with_the_words_on_its_error_stream_and_fins_on_the_others() {
    let expected = [data(1, b"{}", true), data(3, b"", true), data(5, b"", true), data(7, b"", true)].concat();
    assert_eq!(exec().last_words(b"{}"), expected);
}

#[test]
fn an_exec_that_has_its_exit_code_is_told_nothing() {
    let mut talk = exec();
    says(&mut talk, &data(5, b"", true));
    says(&mut talk, &data(1, b"{\"status\":\"Success\"}", true));
    assert!(talk.last_words(b"{}").is_empty());
}

#[test]
fn streams_that_are_over_or_unanswered_get_no_words() {
    let (mut talk, mut client) = (Conversation::new(), Client::new());
    for (stream, kind) in [(1, "error"), (3, "error"), (5, "data"), (7, "data"), (9, "error")] {
        talk.client_sent(&client.opens(stream, kind));
    }
    for stream in [1, 3, 5, 7] {
        says(&mut talk, &replies(stream));
    }
    says(&mut talk, &data(5, b"all", true));
    talk.client_sent(&resets(3));
    assert_eq!(talk.last_words(b"S"), [data(1, b"S", true), data(7, b"", true)].concat());
}

#[test]
fn streams_over_at_both_ends_are_forgotten() {
    let mut talk = exec();
    for stream in [1, 3, 5, 7] {
        talk.client_sent(&data(stream, b"", true));
        says(&mut talk, &data(stream, b"", true));
    }
    assert!(talk.streams.is_empty());
    talk = exec();
    for stream in [1, 3, 5, 7] {
        says(&mut talk, &resets(stream));
    }
    assert!(talk.streams.is_empty());
}

#[test]
fn the_guard_follows_the_reply_on_the_error_stream_and_stands_nowhere_else() {
    let (mut talk, mut client) = (Conversation::guarded(), Client::new());
    talk.client_sent(&client.opens(1, "error"));
    talk.client_sent(&client.opens(3, "stdout"));
    let mut pending = vec![];
    let read = [replies(1), replies(3), data(3, b"hello", false)].concat();
    let whole = talk.take_in(&read, &mut pending);
    let guarded = [replies(1), data(1, b" ", false), replies(3), data(3, b"hello", false)].concat();
    assert_eq!((whole, &pending), (Some(guarded.len()), &guarded));
}

#[test]
fn a_conversation_whose_headers_cannot_be_read_is_told_nothing_and_goes_on() {
    let (mut talk, mut client) = (Conversation::guarded(), Client::new());
    let good = client.opens(1, "error");
    talk.client_sent(&control(SYN_STREAM, &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2, 3]));
    talk.client_sent(&good);
    let mut pending = vec![];
    assert_eq!(talk.take_in(&replies(1), &mut pending), Some(pending.len()));
    assert_eq!(pending, replies(1));
    says(&mut talk, &pending);
    assert!(talk.last_words(b"S").is_empty());
}

#[test]
fn a_client_that_opens_streams_without_end_is_not_followed_without_end() {
    let (mut talk, mut client) = (Conversation::new(), Client::new());
    for stream in 0..3000 {
        talk.client_sent(&client.opens(stream * 2 + 1, "data"));
    }
    assert_eq!(talk.streams.len(), STREAMS_MAX);
    talk.client_sent(&control(HEADERS, &vec![0; 100_000]));
    assert!(talk.control.capacity() <= 2 * BLOCK_BYTES_MAX);
}

proptest! {
    #[test]
    fn any_bytes_from_either_end_are_taken_without_a_panic(
        up in prop::collection::vec(any::<u8>(), 0..300),
        down in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut talk = exec();
        talk.client_sent(&up);
        let mut pending = vec![];
        talk.take_in(&down, &mut pending);
        says(&mut talk, &pending);
        talk.last_words(b"S");
    }

    #[test]
    fn what_is_read_is_what_is_pending_but_for_the_guard(
        lengths in prop::collection::vec(0..900usize, 1..8),
        size in 1..700usize,
    ) {
        let wire: Vec<u8> = lengths.iter().flat_map(|length| data(5, &vec![b'x'; *length], false)).collect();
        let (mut talk, mut pending, mut whole) = (exec(), vec![], 0);
        for piece in wire.chunks(size) {
            whole = talk.take_in(piece, &mut pending).unwrap_or(whole);
            prop_assert_eq!(talk.is_read_whole(), whole == pending.len());
        }
        prop_assert_eq!((&pending, whole), (&wire, wire.len()));
    }
}
