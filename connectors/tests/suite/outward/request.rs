//! Requests as providers read them off a connection.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The next request: its head, without the empty line, and its body.
pub(crate) async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                let is_length = key.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().unwrap())
            });
            let start = head.len() + 4;
            let end = start + length.unwrap_or(0);
            if bytes.len() >= end {
                return Some((head.to_owned(), bytes[start..end].to_vec()));
            }
        }
        let count = stream.read(&mut chunk).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}
