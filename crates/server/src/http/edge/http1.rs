//! Restricts connections to HTTP/1.1. A page consists of a few files and one WebSocket, which HTTP/2 would not speed
//! up, and HTTP/2's streams, resets and header frames add attack surface. TLS does not offer it (ALPN), and connections
//! that begin with its preface are closed.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Beginning of the HTTP/2 connection preface (RFC 9113, section 3.4). It is not a valid HTTP/1.1 method.
const PREFACE: &[u8] = b"PRI ";

/// Acceptor wrapper that rejects HTTP/2 connections.
#[derive(Debug, Clone)]
pub(crate) struct Http1Only<A>(pub(crate) A);

impl<A, I, S> Accept<I, S> for Http1Only<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = Http1<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, A::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Http1 { stream, awaited: PREFACE }, service))
        })
    }
}

/// Connection that fails if it begins with the HTTP/2 preface.
#[derive(Debug)]
pub(crate) struct Http1<S> {
    stream: S,
    /// Rest of the preface to compare with. Empty once the connection is known not to be HTTP/2.
    awaited: &'static [u8],
}

impl<S: AsyncRead + Unpin> AsyncRead for Http1<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        let read = &into.filled()[before..];
        if self.awaited.is_empty() || read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let (looked_at, awaited) = (&read[..read.len().min(self.awaited.len())], self.awaited);
        self.awaited = awaited.strip_prefix(looked_at).unwrap_or_default();
        if self.awaited.is_empty() && awaited.ends_with(looked_at) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP/2 is not spoken here")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Http1<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
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

    use super::*;

    /// Sends `parts` separately and returns what is read of them.
    async fn read(parts: &[&str]) -> io::Result<String> {
        let (mut theirs, ours) = tokio::io::duplex(64);
        let mut ours = Http1 { stream: ours, awaited: PREFACE };
        let mut text = Vec::new();
        for part in parts {
            theirs.write_all(part.as_bytes()).await?;
            let mut buffer = [0; 64];
            let count = ours.read(&mut buffer).await?;
            text.extend_from_slice(&buffer[..count]);
        }
        Ok(String::from_utf8(text).expect("text"))
    }

    #[tokio::test]
    async fn only_the_preface_of_http_2_is_refused() {
        let http2: [&[&str]; 3] = [&["PRI * HTTP/2.0\r\n"], &["P", "RI *"], &["P", "R", "I", " "]];
        for parts in http2 {
            assert!(read(parts).await.is_err(), "{parts:?}");
        }
        let others: [&[&str]; 7] =
            [&["POST / "], &["P", "OST"], &["PR", "OPFIND"], &["PRIV "], &["GET PRI "], &["xPRI "], &["P", "PRI "]];
        for parts in others {
            assert_eq!(read(parts).await.expect("HTTP/1"), parts.concat());
        }
    }
}
