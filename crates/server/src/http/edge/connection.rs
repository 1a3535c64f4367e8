//! TCP connections: accepts them within the connection limit, and closes those whose peer stops reading.

use std::future::{Future as _, Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connection_limit::{ConnectionLimit, Permit};
use super::served::Served;
use crate::config::Network;

/// Time limit for receiving the head of a request, on both new and keep-alive connections.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// Maximum size of a request head, bytes. Hyper rejects a larger one with 431 or 414.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
/// How long a write may make no progress because the peer does not read.
const STALL_TIME: Duration = Duration::from_secs(30);

/// Acceptor that applies the connection limit before any data is read.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    limit: ConnectionLimit,
    proxies: Vec<Network>,
}

impl Limited {
    pub(crate) const fn new(limit: ConnectionLimit, proxies: Vec<Network>) -> Self {
        Self { limit, proxies }
    }

    fn admit(&self, stream: TcpStream) -> io::Result<Connection> {
        let peer = stream.peer_addr()?.ip();
        // Connections from a reverse proxy are not counted for its network, because they carry many clients.
        let counted = Some(peer).filter(|peer| !self.proxies.iter().any(|proxy| proxy.contains(*peer)));
        let permit = self.limit.acquire(counted).ok_or_else(|| io::Error::other("connection limit reached"))?;
        // Messages are small and latency matters.
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream, Arc::new(permit), STALL_TIME))
    }
}

impl<S> Accept<TcpStream, S> for Limited {
    type Stream = Connection;
    type Service = Served<S>;
    type Future = Ready<io::Result<(Connection, Served<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.admit(stream).map(|connection| {
            let service = Served::new(service, Arc::clone(&connection.permit));
            (connection, service)
        }))
    }
}

/// A TCP connection that holds its [`Permit`].
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    stall_time: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    permit: Arc<Permit>,
}

impl Connection {
    const fn new(stream: TcpStream, permit: Arc<Permit>, stall_time: Duration) -> Self {
        Self { stream, stall_time, stalled: None, permit }
    }

    /// Fails a write that has made no progress for too long.
    fn watched<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let time = self.stall_time;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(time)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.permit.poll_evicted(cx.waker()) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed for a new connection")));
        }
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(stall_time: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let permit = ConnectionLimit::new("a setting", 1, 1).acquire(None).expect("a permit");
        (Connection::new(ours.expect("accepted").0, Arc::new(permit), stall_time), theirs.expect("connected"))
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_not_written_to_without_end() {
        let (mut ours, theirs) = pair(Duration::from_millis(50)).await;
        let endless = async { while ours.write_all(&[0; 65_536]).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(20), endless).await.expect("it ends");
        drop(theirs);
    }

    /// Sends more than the buffers hold. Each part is read in time, so the peer is not considered stalled.
    #[tokio::test]
    async fn a_client_that_reads_some_is_written_to() {
        const ALL: usize = 16 << 20;
        let (mut ours, mut theirs) = pair(Duration::from_secs(10)).await;
        let read = async {
            let (mut read, mut buffer) = (0, vec![0; 65_536]);
            while read < ALL {
                read += theirs.read(&mut buffer).await.expect("bytes");
            }
        };
        let (written, ()) = tokio::join!(async { ours.write_all(&vec![0; ALL]).await }, read);
        written.expect("all of it");
    }
}
