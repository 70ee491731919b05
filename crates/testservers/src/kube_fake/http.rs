//! As much of HTTP/1.1 as a client of the API server speaks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Fault, Shared, api, watch};

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) token: Option<String>,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<u32>,
    pub(super) body: String,
}

/// Answers one request after another, until the connection ends.
pub(super) fn serve(connection: TcpStream, shared: &Arc<Shared>) {
    let Ok(mut writer) = connection.try_clone() else { return };
    let _ = connection.set_nodelay(true);
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader) {
        let is_watch = watch::is_one(&request);
        let fault = shared.admit(&format!("{} {}", request.method, request.path), is_watch);
        if shared.has_ended() {
            return;
        }
        let reply = match fault {
            Some(Fault::Refused(status)) => api::refusal(status),
            Some(Fault::AnswerLost) => {
                api::answer(&request, shared);
                return;
            }
            None if is_watch => match watch::begin(&request, shared) {
                Ok(watch) => {
                    let _ = watch.tell(&mut writer, shared);
                    return;
                }
                Err(refused) => refused,
            },
            None => api::answer(&request, shared),
        };
        if write(&mut writer, &reply).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.replace("%3D", "="))).collect();
    let path = path.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let token = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let content_type = headers.remove("content-type").unwrap_or_default();
    Some(Request { method, path, query, token, content_type, body })
}

fn write(writer: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    let retry = reply.retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} -\r\nDate: {}\r\nContent-Type: {}\r\n{retry}Content-Length: {}\r\n\r\n",
        reply.status,
        date(),
        reply.content_type,
        reply.body.len()
    );
    writer.write_all(format!("{head}{}", reply.body).as_bytes())
}

/// The header of a body without an end.
pub(super) fn begin_chunks(writer: &mut TcpStream) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        date()
    );
    writer.write_all(head.as_bytes())
}

pub(super) fn chunk(writer: &mut TcpStream, text: &str) -> std::io::Result<()> {
    writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
