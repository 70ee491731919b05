//! A credential as `azure_identity` has them: it keeps its token, asks for a new one within `get_token` five minutes before the
//! end of the old one, and has nothing to give when that fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{RawResponse, StatusCode};
use azure_core::time::OffsetDateTime;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// What the endpoint or the program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// 200 after 4 s.
    Slow,
    /// 429 for a quarter of a token's life, with `Retry-After: 5`; the credential's own retries take 4 s before it says so.
    Throttled,
    /// 400 at once, for good.
    Refused,
    /// No answer, for good.
    Silent,
    /// A program that takes 12 s, and goes on when nobody waits for it.
    Program,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Start,
    Refresh,
}

impl Mood {
    pub const ALL: [Self; 5] = [Self::Slow, Self::Throttled, Self::Refused, Self::Silent, Self::Program];

    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow (4 s)",
            Self::Throttled => "429 for a while",
            Self::Refused => "400",
            Self::Silent => "silent",
            Self::Program => "az of 12 s",
        }
    }

    pub fn ends(self) -> bool {
        !matches!(self, Self::Refused | Self::Silent)
    }
}

#[derive(Debug)]
pub struct Moody {
    mood: Mood,
    /// The text of its tokens, and for how long one is good.
    text: &'static str,
    life: Duration,
    /// How long a token is kept before a new one is asked for.
    kept: Duration,
    begun: Instant,
    kept_token: Mutex<Option<(Instant, AccessToken)>>,
    /// From this time on it is in its mood.
    moody_from: Duration,
    programs: Arc<AtomicUsize>,
    pub most_programs: Arc<AtomicUsize>,
}

impl Moody {
    pub fn new(mood: Mood, phase: Phase, text: &'static str, life: Duration, kept: Duration) -> Arc<Self> {
        let moody_from = if phase == Phase::Start { Duration::ZERO } else { kept };
        Arc::new(Self {
            mood,
            text,
            life,
            kept,
            begun: Instant::now(),
            kept_token: Mutex::default(),
            moody_from,
            programs: Arc::default(),
            most_programs: Arc::default(),
        })
    }

    async fn ask(&self) -> azure_core::Result<()> {
        if self.begun.elapsed() < self.moody_from {
            return Ok(());
        }
        match self.mood {
            Mood::Slow => sleep(Duration::from_secs(4)).await,
            Mood::Throttled if self.begun.elapsed() < self.moody_from + self.life / 4 => {
                sleep(Duration::from_secs(4)).await;
                return Err(failure(StatusCode::TooManyRequests, "Too many requests"));
            }
            Mood::Throttled => {}
            Mood::Refused => return Err(failure(StatusCode::BadRequest, "Identity not found")),
            Mood::Silent => std::future::pending().await,
            Mood::Program => {
                let (done, ended) = oneshot::channel();
                let running = self.programs.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_programs.fetch_max(running, Ordering::SeqCst);
                let programs = Arc::clone(&self.programs);
                tokio::spawn(async move {
                    sleep(Duration::from_secs(12)).await;
                    programs.fetch_sub(1, Ordering::SeqCst);
                    let _ = done.send(());
                });
                ended.await.expect("it ends");
            }
        }
        Ok(())
    }
}

#[async_trait]
impl TokenCredential for Moody {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let kept = self.kept_token.lock().expect("not poisoned").clone();
        if let Some((_, token)) = kept.filter(|(at, _)| at.elapsed() < self.kept) {
            return Ok(token);
        }
        self.ask().await?;
        let token = AccessToken::new(self.text, OffsetDateTime::now_utc() + self.life);
        *self.kept_token.lock().expect("not poisoned") = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}

fn failure(status: StatusCode, text: &'static str) -> Error {
    let mut headers = Headers::new();
    headers.insert("retry-after", "5");
    let raw_response = Some(Box::new(RawResponse::from_bytes(status, headers, text)));
    let answered = Error::new(ErrorKind::HttpResponse { status, error_code: None, raw_response }, text);
    Error::with_error(
        ErrorKind::Credential,
        answered,
        format!("ManagedIdentityCredential authentication failed. {text}"),
    )
}
