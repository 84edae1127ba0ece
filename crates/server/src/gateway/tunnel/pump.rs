//! The bytes of a tunnel, in both directions, until one end is done or the
//! exchange has ended.
//!
//! Promises: a byte is taken from one side only when the other has room for it;
//! before each write the exchange is asked whether it is still open; what goes to
//! the client goes in whole frames, but for frames larger than
//! [`limits::TUNNEL_HELD_BYTES_MAX`]. An idle tunnel holds no buffer.
//!
//! Left out on purpose: splitting the connections. One task polls both ways, so
//! that one drop ends both.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::speech::Speech;
use crate::gateway::{limits, stream::Stream};

/// Read at once, on the stack.
const SCRATCH_BYTES: usize = 16 * 1024;

/// After so many pieces in a row others have their turn.
const PIECES_IN_A_ROW_MAX: usize = 8;

/// A tunnel at work.
pub(super) struct Pump<C, S> {
    client: C,
    server: S,
    speech: Speech,
    down: Down,
    stream: Arc<Stream>,
    up: Up,
    /// Runs while one direction is over, and the other says nothing.
    linger: Option<Pin<Box<Sleep>>>,
    moved: u64,
    /// What had been said when it was last looked at.
    acts: u64,
}

/// Towards kube-apiserver.
#[derive(Default)]
struct Up {
    pending: Vec<u8>,
    way: Way,
}

/// Towards the client.
#[derive(Default)]
pub(super) struct Down {
    /// Read and not yet passed on.
    pub(super) pending: Vec<u8>,
    /// How much of it may be passed on: whole frames.
    pub(super) whole: usize,
    /// A frame that is too large to be held passes in pieces.
    is_flowing: bool,
    way: Way,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Open,
    /// Nothing more comes; what is pending is passed on, then the end.
    Ending,
    Over,
}

/// How the pumping came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The exchange has ended; the client is owed its words.
    Ended,
    /// One of the two went away, or both are done.
    Over,
}

impl<C, S> Pump<C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Between `client` and `server`.
    pub(super) fn new(client: C, server: S, speech: Speech, stream: Arc<Stream>) -> Self {
        let (up, down) = (Up::default(), Down::default());
        Self { client, server, speech, down, stream, up, linger: None, moved: 0, acts: 0 }
    }

    /// What had been read from either side before the tunnel was open.
    pub(super) fn begin_with(&mut self, sent: &[u8], said: &[u8]) {
        self.speech.client_sent(sent);
        self.up.pending.extend_from_slice(sent);
        self.take_in(said);
    }

    /// Lets go of kube-apiserver.
    pub(super) fn without_server(self) -> (C, Speech, Down) {
        (self.client, self.speech, self.down)
    }

    /// Pumps until it stops.
    pub(super) async fn run(&mut self) -> Stop {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.stream.watch_end(cx);
        let before = self.moved;
        // A client that takes nothing any more is gone; a server that does so may still have something to say.
        let up = self.poll_up(cx);
        if matches!(up, Poll::Ready(Err(_))) {
            self.up = Up { pending: Vec::new(), way: Way::Over };
        }
        let down = self.poll_down(cx);
        if self.speech.acts() != self.acts {
            self.acts = self.speech.acts();
            self.stream.is_used();
        }
        if !self.stream.is_open() {
            return Poll::Ready(Stop::Ended);
        }
        match (self.up.way, self.down.way, down) {
            (_, _, Poll::Ready(Err(_))) | (Way::Over, Way::Over, _) => Poll::Ready(Stop::Over),
            (Way::Open, Way::Open, _) => Poll::Pending,
            _ => self.poll_linger(cx, before != self.moved),
        }
    }

    /// One direction is over: the other may go on as long as it says something.
    fn poll_linger(&mut self, cx: &mut Context<'_>, has_moved: bool) -> Poll<Stop> {
        let until = || Instant::now() + limits::TUNNEL_HALF_CLOSED_IDLE;
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until())));
        if has_moved {
            linger.as_mut().reset(until());
        }
        linger.as_mut().poll(cx).map(|()| Stop::Over)
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..PIECES_IN_A_ROW_MAX {
            if self.up.way == Way::Over || !self.stream.is_open() {
                return Poll::Ready(Ok(()));
            }
            while !self.up.pending.is_empty() {
                let written = ready!(Pin::new(&mut self.server).poll_write(cx, &self.up.pending))?;
                self.wrote_up(written)?;
                self.up.pending.drain(..written);
            }
            ready!(Pin::new(&mut self.server).poll_flush(cx))?;
            if self.up.way == Way::Ending {
                ready!(Pin::new(&mut self.server).poll_shutdown(cx))?;
                self.up.way = Way::Over;
                return Poll::Ready(Ok(()));
            }
            self.up.pending = Vec::new();
            let mut scratch = [0; SCRATCH_BYTES];
            let mut read = ReadBuf::new(&mut scratch);
            // An error is an end: the client is gone.
            let is_read = ready!(Pin::new(&mut self.client).poll_read(cx, &mut read)).is_ok();
            if !is_read || read.filled().is_empty() {
                self.up.way = Way::Ending;
                continue;
            }
            if !self.stream.is_open() {
                return Poll::Ready(Ok(()));
            }
            self.speech.client_sent(read.filled());
            let written = match Pin::new(&mut self.server).poll_write(cx, read.filled()) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            if written > 0 {
                self.wrote_up(written)?;
            }
            self.up.pending.extend_from_slice(read.filled().get(written..).unwrap_or_default());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wrote_up(&mut self, bytes: usize) -> io::Result<()> {
        self.stream.count_up(bytes);
        self.moved = self.moved.wrapping_add(bytes as u64);
        if bytes == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..PIECES_IN_A_ROW_MAX {
            if self.down.way == Way::Over || !self.stream.is_open() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_pass_on(cx))?;
            if self.down.way == Way::Ending {
                ready!(Pin::new(&mut self.client).poll_shutdown(cx))?;
                self.down.way = Way::Over;
                return Poll::Ready(Ok(()));
            }
            let mut scratch = [0; SCRATCH_BYTES];
            let mut read = ReadBuf::new(&mut scratch);
            // An error is an end: what came before it is passed on, then the client sees the end.
            let is_read = ready!(Pin::new(&mut self.server).poll_read(cx, &mut read)).is_ok();
            if !is_read || read.filled().is_empty() {
                self.down.way = Way::Ending;
                self.down.whole = self.down.pending.len();
                continue;
            }
            self.take_in(read.filled());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes in what was read from the server.
    fn take_in(&mut self, bytes: &[u8]) {
        let boundary = self.speech.take_in(bytes, &mut self.down.pending);
        let frame = u64::try_from(self.down.pending.len()).unwrap_or(u64::MAX).saturating_add(self.speech.lacks());
        // What has begun to flow through flows on to its end.
        self.down.is_flowing = boundary.is_none() && (self.down.is_flowing || frame > limits::TUNNEL_HELD_BYTES_MAX);
        self.down.whole = match boundary {
            Some(boundary) => boundary,
            None if self.down.is_flowing => self.down.pending.len(),
            None => 0,
        };
    }

    /// Passes on what is whole.
    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut passed = 0;
        let outcome = loop {
            if !self.stream.is_open() {
                break Poll::Pending;
            }
            let Some(rest) = self.down.pending.get(passed..self.down.whole).filter(|rest| !rest.is_empty()) else {
                break Pin::new(&mut self.client).poll_flush(cx);
            };
            match Pin::new(&mut self.client).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.speech.say(rest.get(..written).unwrap_or_default());
                    self.stream.count_down(written);
                    self.moved = self.moved.wrapping_add(written as u64);
                    passed += written;
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        if passed == self.down.pending.len() {
            self.down.pending = Vec::new();
        } else {
            self.down.pending.drain(..passed);
        }
        self.down.whole -= passed;
        outcome
    }
}
