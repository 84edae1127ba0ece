//! The two bodies of a forwarded call.
//!
//! Promises: nothing is buffered; a frame is taken from one side only when the
//! other side has room. Each poll first asks whether the exchange is still open.
//! Trailers are dropped in both directions.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{upstream::Used, words::Edge};
use crate::gateway::{stream::Stream, streams::Registered};

/// What goes to kube-apiserver.
pub(super) enum Upload {
    /// Nothing.
    Empty,
    /// The client's body, while its exchange is open.
    Client { body: Incoming, stream: Arc<Stream> },
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self::Client { body, stream } = self.get_mut() else { return Poll::Ready(None) };
        loop {
            if !stream.is_open() {
                return Poll::Ready(Some(Err(io::Error::other("the exchange has ended"))));
            }
            match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        stream.count_up(bytes.len());
                        stream.is_used();
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client { body, .. } => body.size_hint(),
        }
    }
}

/// What goes to the client.
pub(super) struct Download {
    open: Registered,
    edge: Edge,
    step: Step,
    /// The connection it comes over, given back after a whole answer; none that had its own.
    used: Option<Used>,
    /// As the head announced it.
    size: SizeHint,
}

enum Step {
    Forwarding,
    /// The last words have been said; the rest is silence, or the end.
    Silent,
    Whole,
}

impl Download {
    /// The body of `open`, whose answer arrives over `used`.
    pub(super) fn new(mut open: Registered, edge: Edge, used: Option<Used>, size: SizeHint) -> Self {
        open.call.announced = size.exact();
        Self { open, edge, step: Step::Forwarding, used, size }
    }

    fn forward(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let stream = self.open.stream.clone();
        loop {
            stream.watch_end(cx);
            if !stream.is_open() {
                return self.say_last_words();
            }
            let Some(polled) = stream.with_answer(|body| Pin::new(body).poll_frame(cx)) else {
                // Ended between the two looks.
                continue;
            };
            match std::task::ready!(polled) {
                None => {
                    self.step = Step::Whole;
                    self.open.call.is_whole = true;
                    stream.is_answered();
                    if let Some(used) = self.used.take() {
                        used.give_back();
                    }
                    return Poll::Ready(None);
                }
                Some(Err(_)) if !stream.is_open() => return self.say_last_words(),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.edge.passes(&bytes);
                        stream.count_down(bytes.len());
                        stream.is_used();
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
            }
        }
    }

    fn say_last_words(&mut self) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.step = if self.edge.is_whole_then() { Step::Whole } else { Step::Silent };
        let stream = &self.open.stream;
        let words = stream.ending().and_then(|ending| self.edge.last_words(&stream.about.sentence(ending)));
        match words {
            Some(words) => Poll::Ready(Some(Ok(Frame::data(words)))),
            // Dropped from outside in a moment: an error here would discard what is on its way.
            None => Poll::Pending,
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        match this.step {
            Step::Forwarding => this.forward(cx),
            Step::Silent => Poll::Pending,
            Step::Whole => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
