//! A watch on one object by its name: what happens to it, one event a line.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Shared;
use super::api::{authorize, key, refused};
use super::http::{Reply, Request, begin_chunks, chunk};
use super::objects::Key;

pub(super) struct Watch {
    key: Key,
    /// `None`: from what is there now.
    since: Option<u64>,
    end: Instant,
    bookmarks: bool,
}

/// At an object's own path `watch` is no watch.
pub(super) fn is_one(request: &Request) -> bool {
    let is_collection = key(&request.path).is_some_and(|(_, _, name)| name.is_empty());
    request.method == "GET" && request.query.contains_key("watch") && is_collection
}

pub(super) fn begin(request: &Request, _: &Arc<Shared>) -> Result<Watch, Reply> {
    let (plural, namespace, _) = key(&request.path).unwrap_or_default();
    let name = request.query.get("fieldSelector").and_then(|selector| selector.strip_prefix("metadata.name="));
    let key = (plural, namespace, name.unwrap_or_default().to_owned());
    authorize(request, &key).map_err(refused)?;
    let since = match request.query.get("resourceVersion").map(|text| text.parse()) {
        None => None,
        Some(Ok(version)) => Some(version),
        Some(Err(_)) => return Err(refused((500, "", "strconv.ParseUint: invalid syntax".to_owned()))),
    };
    let seconds = request.query.get("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(1_800);
    let bookmarks = request.query.get("allowWatchBookmarks").is_some_and(|word| word == "true");
    Ok(Watch { key, since, end: Instant::now() + Duration::from_secs(seconds), bookmarks })
}

impl Watch {
    /// Until its time is over, or nobody listens.
    pub(super) fn tell(mut self, writer: &mut TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
        begin_chunks(writer)?;
        let mut state = shared.state();
        let mut seen = match self.since.take() {
            Some(since) => since,
            None => {
                let present = state.objects.get(&self.key).cloned();
                let version = state.objects.version();
                if let Some(object) = present {
                    line(writer, "ADDED", &object)?;
                }
                version
            }
        };
        while Instant::now() < self.end && !shared.has_ended() {
            if seen < state.objects.compacted {
                let gone =
                    json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"});
                line(writer, "ERROR", &gone)?;
                return chunk(writer, "");
            }
            let news: Vec<_> = state.objects.events.iter().filter(|(version, ..)| *version > seen).cloned().collect();
            for (version, key, what, object) in news {
                seen = version;
                if key == self.key {
                    line(writer, what, &object)?;
                }
            }
            let left = self.end.saturating_duration_since(Instant::now());
            state = shared.wait(state, left.min(Duration::from_millis(500)));
        }
        if self.bookmarks {
            let mark = json!({"metadata": {"resourceVersion": state.objects.version().to_string()}});
            line(writer, "BOOKMARK", &mark)?;
        }
        chunk(writer, "")
    }
}

fn line(writer: &mut TcpStream, what: &str, object: &Value) -> std::io::Result<()> {
    chunk(writer, &format!("{}\n", json!({"type": what, "object": object})))
}
