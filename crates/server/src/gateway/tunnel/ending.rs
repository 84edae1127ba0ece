//! The last moments of a tunnel whose exchange has ended: the client is told,
//! given a moment to hear it, and let go.
//!
//! Promises: kube-apiserver is let go first; not a byte of it follows but the
//! rest of a frame that had begun, which was here already. A client that does not
//! read is reset after [`limits::TUNNEL_WORDS_MAX`], unheard. What a client still
//! sends is read and thrown away, because closing on it would throw away the
//! words; after [`limits::TUNNEL_DRAIN_MAX`] it is reset too.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout, timeout_at},
};

use super::{
    pump::Down,
    speech::{LastWords, Speech},
};
use crate::gateway::limits;

/// A client that is being told.
pub(super) struct Farewell<C> {
    client: C,
    /// The client closed its side, or is gone.
    is_left: bool,
}

/// What became of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// They were sent.
    Words,
    /// There were none to say, or nobody to read them.
    Nothing,
    /// The client did not take them in time.
    Stalled,
}

impl Told {
    /// Its name in receipts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Nothing => "nothing",
            Self::Stalled => "stalled",
        }
    }
}

/// The rest of what was begun, and `sentence`, as one piece.
pub(super) fn last_words(speech: &mut Speech, down: Down, sentence: &str) -> Option<LastWords> {
    let whole = down.pending.get(..down.whole).unwrap_or_default();
    let begun = speech.say_to_boundary(whole)?;
    let words = speech.last_words(sentence);
    let mut bytes = whole.get(..begun).unwrap_or_default().to_vec();
    bytes.extend(words.bytes);
    Some(LastWords { bytes, farewell: words.farewell })
}

impl<C: AsyncRead + AsyncWrite + Unpin> Farewell<C> {
    /// Of `client`.
    pub(super) fn new(client: C) -> Self {
        Self { client, is_left: false }
    }

    /// Says the words.
    pub(super) async fn tell(&mut self, words: &[u8]) -> Told {
        if words.is_empty() {
            return Told::Nothing;
        }
        match timeout(limits::TUNNEL_WORDS_MAX, self.write(words)).await {
            Ok(Ok(())) => Told::Words,
            Ok(Err(_)) => Told::Nothing,
            Err(_) => Told::Stalled,
        }
    }

    /// Waits until the client has left, closing first where that is ours to do.
    /// Returns whether it did; otherwise it is to be reset.
    pub(super) async fn part(mut self, farewell: Option<Vec<u8>>, told: Told) -> bool {
        let until = Instant::now() + limits::TUNNEL_DRAIN_MAX;
        if let Some(farewell) = farewell {
            if told == Told::Words {
                // Once it sees the end a client reads no further: first it is to hear the words.
                timeout(limits::TUNNEL_HEARD, self.left()).await.ok();
            }
            let closing = async {
                self.write(&farewell).await?;
                std::future::poll_fn(|cx| Pin::new(&mut self.client).poll_shutdown(cx)).await
            };
            if !matches!(timeout(limits::TUNNEL_HEARD, closing).await, Ok(Ok(()))) {
                return self.is_left;
            }
        }
        timeout_at(until, self.left()).await.is_ok()
    }

    async fn left(&mut self) {
        std::future::poll_fn(|cx| self.poll_discard(cx)).await;
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        std::future::poll_fn(|cx| {
            let is_left = self.poll_discard(cx).is_ready();
            while !rest.is_empty() {
                match ready!(Pin::new(&mut self.client).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => rest = rest.get(written..).unwrap_or_default(),
                }
            }
            let flushed = ready!(Pin::new(&mut self.client).poll_flush(cx));
            self.is_left |= is_left;
            Poll::Ready(flushed)
        })
        .await
    }

    /// Reads and throws away; ready when the client has left.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_left {
            return Poll::Ready(());
        }
        let mut scratch = [0; 4096];
        // What a client sends without end must not keep its own words from leaving.
        for _ in 0..64 {
            let mut read = ReadBuf::new(&mut scratch);
            let is_read = ready!(Pin::new(&mut self.client).poll_read(cx, &mut read)).is_ok();
            if !is_read || read.filled().is_empty() {
                self.is_left = true;
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
