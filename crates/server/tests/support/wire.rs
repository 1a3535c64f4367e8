//! Raw, possibly malformed requests.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::Server;
use super::soon;

/// Sends bytes on a new connection, and returns what arrives until the server closes it, or until the end of the
/// response head if it becomes a WebSocket.
pub(crate) async fn raw(server: &Server, request: impl AsRef<[u8]>) -> String {
    soon("an answer to raw bytes", raw_until_closed(server, request)).await
}

/// Sends bytes in the same way, without a timeout.
pub(crate) async fn raw_until_closed(server: &Server, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(server.address).await.expect("the server listens");
    // The server may respond and close the connection before it has received everything.
    let _ = stream.write_all(request.as_ref()).await;
    read(&mut stream).await
}

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
        if answer.starts_with(b"HTTP/1.1 101") && answer.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}
