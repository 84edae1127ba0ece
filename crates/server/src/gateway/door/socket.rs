//! A TCP connection that somebody else can reset.
//!
//! Promises: [`Grip::reset`] ends the connection at once, whoever holds the
//! descriptor and whether or not they are being polled; what the kernel had not
//! yet sent is thrown away, not flushed.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The side that reads and writes.
#[derive(Debug)]
pub(in crate::gateway) struct Socket(Arc<TcpStream>);

/// The outsider's side. Does not keep the connection open.
#[derive(Clone, Debug, Default)]
pub(in crate::gateway) struct Grip(Weak<TcpStream>);

impl Socket {
    /// Takes over `stream`.
    pub(in crate::gateway) fn new(stream: TcpStream) -> Self {
        // Small frames, such as a watch event, leave at once. Failing only costs latency.
        stream.set_nodelay(true).ok();
        Self(Arc::new(stream))
    }

    /// A hold on the connection for somebody who may have to reset it.
    pub(in crate::gateway) fn grip(&self) -> Grip {
        Grip(Arc::downgrade(&self.0))
    }

    /// Lets the kernel hold at most `bytes` that it has not sent yet.
    pub(in crate::gateway) fn keep_little_unsent(&self, bytes: u32) {
        // Not every kernel knows the option; without it a stalled client gets a little more, late.
        socket2::SockRef::from(&*self.0).set_tcp_notsent_lowat(bytes).ok();
    }
}

impl Grip {
    /// Resets the connection now.
    pub(in crate::gateway) fn reset(&self) {
        if let Some(stream) = self.0.upgrade() {
            // Both fail only on a connection that is gone already.
            socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).ok();
            rustix::net::connect_unspec(&*stream).ok();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write_vectored(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_reset_reaches_a_peer_that_was_not_reading_and_drops_what_was_queued() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut ours = Socket::new(listener.accept().await.unwrap().0);
        let grip = ours.grip();
        ours.write_all(b"before").await.unwrap();
        let mut six = [0; 6];
        peer.read_exact(&mut six).await.unwrap();

        grip.reset();

        let error = peer.read(&mut six).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(ours.write_all(b"after").await.is_err());
    }

    #[tokio::test]
    async fn a_grip_does_not_keep_a_connection_open() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let ours = Socket::new(listener.accept().await.unwrap().0);
        let grip = ours.grip();
        drop(ours);
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
        grip.reset();
    }
}
