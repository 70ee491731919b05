//! The push: etcd tells of a release, so that a standby need not wait for its next poll.
//!
//! A watch is an answer without an end, a line for each change. Nothing depends on it: one that is lost, late or silent costs a poll. So it
//! is read within bounds, is begun anew every minute, and says no more than "look".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leader_election::document::json;
use leader_election::kit::on_request_threads;
use reqwest::Response;

use crate::connection::{Connection, signed};
use crate::errors::Refusal;
use crate::wire::{self, Event, WatchLine, Watched};

/// The watch of one key. Clones are of the same one.
#[derive(Clone)]
pub(crate) struct Watch {
    connection: Arc<Connection>,
    key: String,
    /// The revision of the store in which the key was last read or written; 0: never. What came after it is news.
    seen: Arc<AtomicU64>,
}

/// After this time a watch is begun anew. A connection that was lost without a word keeps silent for no longer.
const ROUND: Duration = Duration::from_secs(60);
/// For the beginning of the answer, which comes at once.
const BEGIN: Duration = Duration::from_secs(5);
/// Before a watch is begun anew after a failure: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The most bytes of a line: changes of a minute come in one at the most, each with the whole record.
const MOST: usize = 1024 * 1024;

/// How a round ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Look at the record.
    News,
    /// Nothing came for a whole round.
    Quiet,
    /// The watch could not be begun, or broke off.
    Failed,
}

impl Watch {
    pub(crate) fn new(connection: Arc<Connection>, key: String) -> Self {
        Self { connection, key, seen: Arc::default() }
    }

    /// The key was read or written in this revision. It may be lower than the last one: a snapshot was restored.
    pub(crate) fn seen(&self, revision: u64) {
        self.seen.store(revision, Ordering::Relaxed);
    }

    /// Resolves when the lease was released, or when that cannot be told without a look.
    pub(crate) async fn changed(&self) {
        let watch = self.clone();
        // Its connection is one of those that requests use.
        if on_request_threads(async move { watch.until_news().await }).await.is_err() {
            // There are no threads for requests; those tell of it.
            std::future::pending::<()>().await;
        }
    }

    async fn until_news(&self) {
        let members = self.connection.address().members().len();
        let mut member = self.connection.preferred();
        let mut pause = FIRST_PAUSE;
        loop {
            match tokio::time::timeout(ROUND, self.round(member)).await.unwrap_or(End::Quiet) {
                End::News => return,
                End::Quiet => pause = FIRST_PAUSE,
                End::Failed => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    member = (member + 1) % members;
                }
            }
        }
    }

    async fn round(&self, member: usize) -> End {
        let Ok(Some(mut lines)) = tokio::time::timeout(BEGIN, self.begin(member)).await else { return End::Failed };
        loop {
            match lines.next().await {
                Next::Line(line) => match self.judge(&line) {
                    Judged::Nothing => {}
                    Judged::News => return End::News,
                    Judged::Over => return End::Failed,
                    Judged::TokenRefused => {
                        self.connection.forget(lines.token.as_ref());
                        return End::Failed;
                    }
                },
                // Too much has happened to be read as a line of news.
                Next::TooLong => return End::News,
                Next::End => return End::Failed,
            }
        }
    }

    async fn begin(&self, member: usize) -> Option<Lines> {
        let token = self.connection.token(member).await.ok()?;
        // What came in the revision that was seen was seen.
        let from = Some(self.seen.load(Ordering::Relaxed)).filter(|seen| *seen > 0).map(|seen| seen.saturating_add(1));
        let request = self.connection.post(member, "watch", &wire::watch(self.key.as_bytes(), from));
        // The client's own limit is that of a short request.
        let response = signed(request, token.as_ref()).timeout(ROUND + BEGIN).send().await.ok()?;
        if !response.status().is_success() {
            if response.status().as_u16() == 401 {
                self.connection.forget(token.as_ref());
            }
            return None;
        }
        Some(Lines { response, token, text: Vec::new() })
    }

    fn judge(&self, line: &[u8]) -> Judged {
        let Ok(line) = serde_json::from_slice::<WatchLine>(line) else { return Judged::Over };
        if let Some(error) = line.error {
            let refusal = Refusal::new(error.grpc_code, error.message);
            return if refusal.wants_new_token() { Judged::TokenRefused } else { Judged::Over };
        }
        let Some(watched) = line.result else { return Judged::Over };
        self.judge_result(&watched)
    }

    fn judge_result(&self, watched: &Watched) -> Judged {
        if watched.compact_revision > 0 {
            // What was missed is gone, and the record tells what stands there now. The next watch begins where there is history.
            self.seen(watched.compact_revision);
            return Judged::News;
        }
        if watched.canceled {
            let refused = Refusal::new(0, watched.cancel_reason.clone());
            let token = refused.wants_new_token() || watched.cancel_reason.contains("invalid auth token");
            return if token { Judged::TokenRefused } else { Judged::Over };
        }
        let seen = self.seen.load(Ordering::Relaxed);
        let Some(header) = &watched.header else { return Judged::Over };
        if watched.created && header.revision < seen {
            // A snapshot was restored, or this member is behind. The watch would wait until the store has come as far again.
            self.seen(header.revision);
            return Judged::News;
        }
        if watched.events.iter().any(is_news) { Judged::News } else { Judged::Nothing }
    }
}

enum Judged {
    Nothing,
    News,
    /// This watch tells no more.
    Over,
    TokenRefused,
}

/// Whether somebody may take the lease now. A record that is held is none: its leader has renewed it, and the next poll sees that.
fn is_news(event: &Event) -> bool {
    let Some(kv) = event.kv.as_ref().filter(|_| event.kind != "DELETE") else { return true };
    // Whatever cannot be understood is told by the look.
    json::from_text(&kv.value, "").map_or(true, |(record, _)| record.holder.is_none())
}

/// The answer, line by line.
struct Lines {
    response: Response,
    token: Option<crate::sign_in::Token>,
    /// What was read and not handed out yet.
    text: Vec<u8>,
}

enum Next {
    Line(Vec<u8>),
    TooLong,
    End,
}

impl Lines {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let rest = self.text.split_off(end + 1);
                let line = std::mem::replace(&mut self.text, rest);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Next::Line(line);
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) if self.text.len() + chunk.len() <= MOST => self.text.extend_from_slice(&chunk),
                Ok(Some(_)) => return Next::TooLong,
                Ok(None) | Err(_) => return Next::End,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use leader_election::document::Record;
    use leader_election::{FencingToken, HolderId};

    use super::*;
    use crate::address::EtcdAddress;

    fn watch() -> Watch {
        let address = EtcdAddress::new("etcd://127.0.0.1:1").expect("valid");
        let connection = Connection::new(address, None, leader_election_http::Trust::default()).expect("a client");
        Watch::new(Arc::new(connection), "elections/nightly".to_owned())
    }

    fn event(kind: &str, value: &str) -> String {
        use base64::Engine as _;
        let value = base64::engine::general_purpose::STANDARD.encode(value);
        format!(
            r#"{{"result":{{"header":{{"revision":"9"}},"events":[{{"type":"{kind}","kv":{{"key":"aw==","value":"{value}"}}}}]}}}}"#
        )
    }

    fn is_news(line: &str) -> bool {
        matches!(watch().judge(line.as_bytes()), Judged::News)
    }

    #[test]
    fn a_release_is_news_and_a_renewal_is_none() {
        let record = Record::new(FencingToken::new(7).expect("in range"), "b9c0f3", "1");
        let free = json::to_text(&record, &json::Rest::new());
        let held =
            json::to_text(&record.with_holder(Some(HolderId::new("worker-7").expect("valid"))), &json::Rest::new());
        assert!(!is_news(&event("PUT", &held)) && !is_news(&event("", &held)));
        assert!(is_news(&event("PUT", &free)));
        assert!(is_news(&event("DELETE", "")));
        assert!(is_news(&event("PUT", "no record")), "a look tells what it is");
    }

    #[test]
    fn the_beginning_is_no_news_unless_history_is_missing() {
        let watch = watch();
        watch.seen(7);
        let judge = |text: &str| watch.judge(text.as_bytes());
        assert!(matches!(judge(r#"{"result":{"header":{"revision":"7"},"created":true}}"#), Judged::Nothing));
        // Compacted: the next watch begins at what is left.
        let compacted = r#"{"result":{"header":{"raft_term":"2"},"canceled":true,"compact_revision":"80"}}"#;
        assert!(matches!(judge(compacted), Judged::News));
        assert_eq!(watch.seen.load(Ordering::Relaxed), 80);
        // Restored: the store is behind what was seen there.
        assert!(matches!(judge(r#"{"result":{"header":{"revision":"5"},"created":true}}"#), Judged::News));
        assert_eq!(watch.seen.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn whatever_else_comes_ends_the_watch_and_a_refused_token_is_not_shown_again() {
        let watch = watch();
        let judge = |text: &str| watch.judge(text.as_bytes());
        for text in [
            "",
            "{}",
            "null",
            "<html>",
            r#"{"result":{}}"#,
            r#"{"result":{"header":{"revision":"x"}}}"#,
            r#"{"result":{"header":{"revision":"7"},"canceled":true,"cancel_reason":"etcdserver: permission denied"}}"#,
            r#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}"#,
        ] {
            assert!(matches!(judge(text), Judged::Over), "{text}");
        }
        for text in [
            r#"{"error":{"grpc_code":16,"message":"etcdserver: invalid auth token"}}"#,
            r#"{"result":{"header":{"revision":"7"},"canceled":true,"cancel_reason":"etcdserver: invalid auth token"}}"#,
        ] {
            assert!(matches!(judge(text), Judged::TokenRefused), "{text}");
        }
    }
}
