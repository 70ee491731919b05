//! A service on this machine that answers as it is told, with bytes of the test's own.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a request asks for, as far as answers depend on it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Such as `PUT /leases/nightly?comp=lease`.
    pub line: String,
    /// Line and headers as they came.
    pub head: String,
}

/// What comes back; `None` closes the connection without an answer.
type Answer = Option<Vec<u8>>;

pub struct Service {
    pub port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Service {
    pub async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move { serve(stream, &*answer).await });
            }
        });
        Self { port, task }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: &(dyn Fn(&Asked) -> Answer + Send + Sync)) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        // It speaks no TLS, with which 22 comes first.
        if stream.read_buf(&mut bytes).await.ok()? == 0 || bytes[0] == 22 || bytes.len() > 100_000 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < end + length.unwrap_or(0_usize) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    if let Some(answer) = answer(&Asked { line, head }) {
        stream.write_all(&answer).await.ok()?;
        stream.shutdown().await.ok()?;
    }
    Some(())
}

/// An answer with these headers and this body; the connection is closed after it.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let date = "Sat, 21 Nov 2026 03:14:22 GMT";
    Some(
        format!(
            "HTTP/1.1 {status} Whatever\r\ndate: {date}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

/// Every way not to be served. With `echo` what the request said comes back in the body, as from a gateway that explains itself.
pub fn refuse(number: usize, asked: &Asked, echo: bool) -> Answer {
    let said = if echo { asked.head.as_str() } else { "refused" };
    let text = format!("<Error><Code>Echo</Code><Message>{said}</Message></Error>");
    let body = if asked.line.starts_with("HEAD") { "" } else { &text };
    match REFUSALS[number] {
        "closed" => None,
        "garbage" => Some(b"\x00\xffthis is no HTTP\r\n\r\n".to_vec()),
        "cut off" => Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{\"half\":".to_vec()),
        "redirected" => {
            let to = asked.line.split_once(' ').map_or("/", |(_, path)| path);
            answer(307, &[("location", &format!("https://127.0.0.1:1{to}"))], body)
        }
        "no JSON" => answer(200, &[("content-type", "application/json"), ("etag", "\"1\"")], body),
        status => {
            let (status, code) = status.split_once(' ').unwrap_or((status, ""));
            let headers = [("x-ms-error-code", code), ("x-ms-request-id", "7"), ("retry-after", "1")];
            answer(status.parse().expect("a status"), &headers[usize::from(code.is_empty())..], body)
        }
    }
}

pub const REFUSALS: [&str; 21] = [
    "closed",
    "garbage",
    "cut off",
    "redirected",
    "no JSON",
    "400 InvalidUri",
    "401 NoAuthenticationInformation",
    "403 AuthenticationFailed",
    "403 AuthorizationPermissionMismatch",
    "404",
    "404 BlobNotFound",
    "404 ContainerNotFound",
    "408",
    "409 LeaseAlreadyPresent",
    "409 LeaseIdMismatchWithLeaseOperation",
    "412 ConditionNotMet",
    "412 LeaseIdMismatchWithBlobOperation",
    "429",
    "500 InternalError",
    "503 ServerBusy",
    "599",
];
