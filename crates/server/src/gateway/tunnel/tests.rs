//! A tunnel between two ends that the test plays.

use std::sync::Arc;

use brevet_core::reason::Reason;
use jiff::ToSpan as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinSet,
};

use super::{
    ending::{self, Farewell, Told},
    pump::{Pump, Stop},
    spdy::tests::{Client, data, replies},
    speech::{Protocol, Speech},
};
use crate::{
    clock::{self, Deadline},
    gateway::{
        limits,
        stream::{About, Stream},
    },
};

const ROOM: usize = 256 * 1024;

/// The test's ends of a tunnel, and the tunnel itself.
struct Ends {
    client: DuplexStream,
    server: DuplexStream,
    stream: Arc<Stream>,
    pumping: JoinSet<(Stop, Told, bool)>,
}

impl Ends {
    fn new(protocol: Protocol, room: usize) -> Self {
        let (client, inner_client) = duplex(room);
        let (server, inner_server) = duplex(room);
        let about =
            About { grant: "g".to_owned(), grant_uid: "1".to_owned(), holder: "a".to_owned(), again: "ask".to_owned() };
        let deadline = Deadline::seen_now(clock::now() + 1.hour());
        let stream = Arc::new(Stream::new(Arc::new(about), deadline, None));
        let mut pump = Pump::new(inner_client, inner_server, Speech::new(protocol), stream.clone());
        let mut pumping = JoinSet::new();
        pumping.spawn(async move {
            let stop = pump.run().await;
            let (client, mut speech, down) = pump.without_server();
            if stop == Stop::Over {
                return (stop, Told::Nothing, true);
            }
            let words = ending::last_words(&mut speech, down, "over");
            let mut farewell = Farewell::new(client);
            let Some(words) = words else { return (stop, Told::Nothing, false) };
            let told = farewell.tell(&words.bytes).await;
            let has_parted = told == Told::Words && farewell.part(words.farewell, told).await;
            (stop, told, has_parted)
        });
        Self { client, server, stream, pumping }
    }

    fn end(&self) {
        self.stream.end(Reason::Revoked, clock::now());
    }

    async fn outcome(&mut self) -> (Stop, Told, bool) {
        self.pumping.join_next().await.unwrap().unwrap()
    }

    async fn client_reads(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.client.read_exact(&mut read).await.unwrap();
        read
    }
}

fn message(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    super::websocket::write_message(&[bytes], &mut out);
    out
}

fn words() -> Vec<u8> {
    Speech::new(Protocol::Channels).last_words("over").bytes
}

#[tokio::test]
async fn bytes_pass_both_ways_and_each_end_closes_for_itself() {
    let mut ends = Ends::new(Protocol::OtherWebSocket, 1000);
    let sent: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let said = message(&sent);
    let (mut client_reads, mut client_writes) = tokio::io::split(ends.client);
    let (mut server_reads, mut server_writes) = tokio::io::split(ends.server);
    let (mut to_server, mut to_client) = (vec![], vec![]);
    let client = async {
        client_writes.write_all(&sent).await.unwrap();
        client_writes.shutdown().await.unwrap();
    };
    let server = async {
        server_reads.read_to_end(&mut to_server).await.unwrap();
        server_writes.write_all(&said).await.unwrap();
        server_writes.shutdown().await.unwrap();
    };
    let reading = client_reads.read_to_end(&mut to_client);
    let ((), (), read) = tokio::join!(client, server, reading);
    read.unwrap();
    assert_eq!(ends.pumping.join_next().await.unwrap().unwrap().0, Stop::Over);
    assert!(to_server == sent && to_client == said);
    assert_eq!(ends.stream.bytes(), (100_000, said.len() as u64));
}

#[tokio::test]
async fn a_client_that_left_takes_a_silent_server_with_it() {
    let mut ends = Ends::new(Protocol::Channels, ROOM);
    ends.client.shutdown().await.unwrap();
    assert_eq!(ends.outcome().await.0, Stop::Over);
    assert_eq!(ends.server.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn half_a_frame_is_never_passed_on_and_the_words_follow_the_whole_ones() {
    let mut ends = Ends::new(Protocol::Channels, ROOM);
    let (whole, half) = (message(b"\x01hello"), message(&[1; 20_000]));
    ends.server.write_all(&whole).await.unwrap();
    ends.server.write_all(&half[..10_000]).await.unwrap();
    assert_eq!(ends.client_reads(whole.len()).await, whole);
    ends.end();
    assert_eq!(ends.client_reads(words().len()).await, words());
    assert_eq!(ends.server.read(&mut [0]).await.unwrap(), 0);
    drop(ends.client.shutdown().await);
    assert_eq!(ends.outcome().await, (Stop::Ended, Told::Words, true));
}

#[tokio::test]
async fn nothing_the_client_sends_after_the_end_is_forwarded_and_it_still_hears() {
    let mut ends = Ends::new(Protocol::Channels, 4096);
    ends.client.write_all(b"before").await.unwrap();
    let mut six = [0; 6];
    ends.server.read_exact(&mut six).await.unwrap();
    ends.end();
    let flood = vec![7; 1024 * 1024];
    ends.client.write_all(&flood).await.unwrap();
    assert_eq!(ends.client_reads(words().len()).await, words());
    assert_eq!(ends.server.read(&mut six).await.unwrap(), 0);
    // It never leaves: after a while it is let go all the same.
    assert_eq!(ends.outcome().await, (Stop::Ended, Told::Words, false));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go_in_time() {
    let mut ends = Ends::new(Protocol::Channels, 1024);
    let flood = message(&[1; 30_000]);
    while let Ok(written) = tokio::time::timeout(limits::TUNNEL_HEARD, ends.server.write(&flood)).await {
        written.unwrap();
    }
    let before = tokio::time::Instant::now();
    ends.end();
    assert_eq!(ends.outcome().await, (Stop::Ended, Told::Stalled, false));
    assert!(before.elapsed() < limits::TUNNEL_WORDS_MAX + limits::TUNNEL_DRAIN_MAX);
}

#[tokio::test]
async fn a_frame_larger_than_what_is_held_flows_through_and_is_cut_plainly() {
    let mut ends = Ends::new(Protocol::Channels, ROOM);
    let huge = message(&vec![1; 200_000]);
    ends.server.write_all(&huge[..150_000]).await.unwrap();
    assert_eq!(ends.client_reads(150_000).await, huge[..150_000]);
    ends.end();
    assert_eq!(ends.outcome().await, (Stop::Ended, Told::Nothing, false));
    assert_eq!(ends.client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_exec_over_spdy_is_guarded_and_told() {
    let mut ends = Ends::new(Protocol::Spdy, ROOM);
    let mut client = Client::new();
    let mut expected = vec![];
    for (stream, kind) in [(1, "error"), (3, "stdout"), (5, "stderr")] {
        let opens = client.opens(stream, kind);
        ends.client.write_all(&opens).await.unwrap();
        ends.server.read_exact(&mut vec![0; opens.len()]).await.unwrap();
        ends.server.write_all(&replies(stream)).await.unwrap();
        expected.extend(replies(stream));
        if stream == 1 {
            expected.extend(data(1, b" ", false));
        }
    }
    assert_eq!(ends.client_reads(expected.len()).await, expected);
    ends.end();
    let status = br#"{"message":"over","metadata":{},"status":"Failure"}"#;
    let told = [data(1, status, true), data(3, b"", true), data(5, b"", true)].concat();
    assert_eq!(ends.client_reads(told.len()).await, told);
    drop(ends.client.shutdown().await);
    assert_eq!(ends.outcome().await, (Stop::Ended, Told::Words, true));
}

#[tokio::test]
async fn a_port_forward_is_shown_the_end_once_it_has_heard() {
    let mut ends = Ends::new(Protocol::SpdyForward, ROOM);
    let mut client = Client::new();
    for (stream, kind) in [(1, "error"), (3, "data")] {
        let opens = client.opens(stream, kind);
        ends.client.write_all(&opens).await.unwrap();
        ends.server.read_exact(&mut vec![0; opens.len()]).await.unwrap();
        ends.server.write_all(&replies(stream)).await.unwrap();
        ends.client_reads(replies(stream).len()).await;
    }
    ends.end();
    let mut rest = vec![];
    ends.client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [data(1, b"over", true), data(3, b"", true)].concat());
    drop(ends.client);
    assert_eq!(ends.pumping.join_next().await.unwrap().unwrap(), (Stop::Ended, Told::Words, true));
}
