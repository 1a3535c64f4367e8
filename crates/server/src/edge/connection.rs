//! TCP connections: whether there is a place for one, and an end to those whose other side takes nothing.

use std::future::{Future as _, Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::places::{Place, Places};
use crate::config::Network;

/// How long a client may take to send a request's head, the first as well as those after it.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head of a request, bytes. Hyper answers a longer one with 431 or 414.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
/// How long the other side may take nothing of what is written to it.
const STALL_TIME: Duration = Duration::from_secs(30);

/// Lets connections in while there are places, before anything is read from them.
#[derive(Debug, Clone)]
pub(crate) struct Doorman {
    places: Places,
    proxies: Vec<Network>,
}

impl Doorman {
    pub(crate) const fn new(places: Places, proxies: Vec<Network>) -> Self {
        Self { places, proxies }
    }

    fn admit(&self, stream: TcpStream) -> io::Result<Connection> {
        let peer = stream.peer_addr()?.ip();
        // All that a proxy passes on comes from its one address.
        let counted = Some(peer).filter(|peer| !self.proxies.iter().any(|proxy| proxy.contains(*peer)));
        let place = self.places.take(counted).ok_or_else(|| io::Error::other("no place is left"))?;
        // Messages are small, and somebody waits for each.
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream, place, STALL_TIME))
    }
}

impl<S> Accept<TcpStream, S> for Doorman {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.admit(stream).map(|connection| (connection, service)))
    }
}

/// A connection that holds its place.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    stall_time: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Connection {
    const fn new(stream: TcpStream, place: Place, stall_time: Duration) -> Self {
        Self { stream, stall_time, stalled: None, _place: place }
    }

    /// Ends a connection that takes nothing for too long.
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
        let place = Places::new("a setting", 1, 1).take(None).expect("a place");
        (Connection::new(ours.expect("accepted").0, place, stall_time), theirs.expect("connected"))
    }

    #[tokio::test]
    async fn whoever_takes_nothing_is_not_written_to_without_end() {
        let (mut ours, theirs) = pair(Duration::from_millis(50)).await;
        let endless = async { while ours.write_all(&[0; 65_536]).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(20), endless).await.expect("it ends");
        drop(theirs);
    }

    /// More bytes than fit between the two, each part taken in time: nobody is slow.
    #[tokio::test]
    async fn whoever_takes_some_is_written_to() {
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
