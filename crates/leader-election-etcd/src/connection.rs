//! Requests to a cluster: to which member, with which token, and to how many at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use leader_election::kit::patience;
use leader_election::{Error, ErrorKind, Result};
use leader_election_http::{Answer, Settings, Trust, answer, client};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::address::{EtcdAddress, Member};
use crate::errors::{self, Failure, Refusal};
use crate::sign_in::{Token, User};
use crate::wire::SignedIn;

/// The client of one cluster, and what it knows of its members.
pub(crate) struct Connection {
    address: EtcdAddress,
    user: Option<Arc<User>>,
    has_certificates: bool,
    shows_certificate: bool,
    client: reqwest::Client,
    /// The member that answered last.
    preferred: AtomicUsize,
}

/// A request, whichever member carries it out.
pub(crate) struct Call {
    /// Below `/v3/`.
    pub(crate) path: &'static str,
    pub(crate) body: Value,
    /// The most bytes that its answer may have.
    pub(crate) most: usize,
    /// What it does, for its errors: "reading the key elections/nightly".
    pub(crate) doing: String,
    pub(crate) patience: Patience,
}

/// How long members are waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After this time without an answer the next member is asked as well.
    pub(crate) with_one: Duration,
    /// After this time the call fails, and tells what each of them said. A host that drops it knows only that there was no answer.
    pub(crate) with_all: Duration,
}

impl Patience {
    /// Where no lease says how long there is.
    pub(crate) const OF_A_LOOK: Self = Self { with_one: Duration::from_millis(500), with_all: patience::OF_A_LOOK };

    /// Within an attempt of a host's with this lease. A candidate waits for a fifteenth of it at the least, so that two members can be asked within
    /// that, and three within a leader's attempt, a fifth of the lease; but no less than a healthy cluster needs.
    pub(crate) fn within_an_attempt(lease: Duration) -> Self {
        let attempt = (lease / 5).min(Duration::from_secs(6));
        let with_one = (lease / 40).clamp(Duration::from_millis(50), Duration::from_secs(1));
        Self { with_one, with_all: attempt * 9 / 10 }
    }
}

/// Longer than any attempt of a host's, which drops the request itself. It is for callers without one.
const LIMIT: Duration = Duration::from_secs(10);
/// Of the request that brings a token.
const MOST_OF_SIGN_IN: usize = 64 * 1024;

impl Connection {
    pub(crate) fn new(address: EtcdAddress, user: Option<User>, trust: Trust) -> Result<Self> {
        let has_certificates = trust.authorities.is_some() || trust.identity.is_some();
        let plain = address.members().iter().any(|member| address.is_plain(member, has_certificates));
        if plain && has_certificates {
            return Err(Error::setting(
                "an etcd cluster at an address with `?insecure` takes no certificates: leave out one of the two",
            ));
        }
        let shows_certificate = trust.identity.is_some();
        let settings = Settings { plain, timeout: Some(LIMIT), trust, ..Settings::default() };
        let client = client(&settings)?;
        Ok(Self {
            address,
            user: user.map(Arc::new),
            has_certificates,
            shows_certificate,
            client,
            preferred: AtomicUsize::new(0),
        })
    }

    pub(crate) fn address(&self) -> &EtcdAddress {
        &self.address
    }

    /// The member that answered last.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    /// Asks the member that answered last; the others too, one after the other, when there is no answer within its [`Patience`] or
    /// none that counts. The first answer counts, and the rest are dropped.
    ///
    /// # Cancellation safety
    /// Dropping it drops the requests. Unless one was answered, the next call begins with another member.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let (member, body) = self.first_answer(call).await?;
        serde_json::from_slice(&body).map_err(|_| errors::unreadable(&self.name(member), &call.doing))
    }

    async fn first_answer(&self, call: &Call) -> Result<(usize, Vec<u8>)> {
        let members = self.address.members().len();
        let first = self.preferred();
        let moving_on = MovingOn { preferred: &self.preferred, from: first, to: (first + 1) % members };
        let mut unasked = (0..members).map(|step| (first + step) % members);
        let mut asked = FuturesUnordered::new();
        let mut failures = Vec::new();
        let over = tokio::time::sleep(call.patience.with_all);
        tokio::pin!(over);
        asked.extend(unasked.next().map(|member| self.ask(member, call)));
        loop {
            tokio::select! {
                Some((member, outcome)) = asked.next() => match outcome {
                    Err(Failure { error, elsewhere: true }) => {
                        failures.push((member, error));
                        asked.extend(unasked.next().map(|next| self.ask(next, call)));
                    }
                    outcome => {
                        moving_on.on_to(member);
                        return outcome.map(|body| (member, body)).map_err(|failure| failure.error);
                    }
                },
                () = tokio::time::sleep(call.patience.with_one), if unasked.len() > 0 => {
                    asked.extend(unasked.next().map(|next| self.ask(next, call)));
                }
                () = &mut over => {
                    let silent = (0..members - unasked.len()).map(|step| (first + step) % members);
                    let silent: Vec<_> = silent.filter(|member| failures.iter().all(|(failed, _)| failed != member)).collect();
                    failures.extend(silent.into_iter().map(|member| {
                        (member, errors::silent(&self.name(member), &call.doing, call.patience.with_all))
                    }));
                    return Err(errors::of_all(failures.into_iter().map(|(_, error)| error).collect()));
                }
                else => return Err(errors::of_all(failures.into_iter().map(|(_, error)| error).collect())),
            }
        }
    }

    /// Asks one member.
    async fn ask(&self, member: usize, call: &Call) -> (usize, std::result::Result<Vec<u8>, Failure>) {
        (member, self.ask_signed_in(member, call).await)
    }

    async fn ask_signed_in(&self, member: usize, call: &Call) -> std::result::Result<Vec<u8>, Failure> {
        let token = self.token(member).await?;
        let answer = self.send(member, call, token.as_ref()).await?;
        if answer.is_success() {
            return Ok(answer.body);
        }
        let refusal = Refusal::read(&answer);
        let (Some(user), Some(token)) = (&self.user, token.filter(|_| refusal.wants_new_token())) else {
            return Err(errors::explain(&refusal, answer.status, &self.name(member), &call.doing));
        };
        // It was refused before anything was done. Once: a token that is refused at once will be so again.
        user.forget(&token);
        let token = self.token(member).await?;
        let answer = self.send(member, call, token.as_ref()).await?;
        match answer.is_success() {
            true => Ok(answer.body),
            false => Err(errors::explain(&Refusal::read(&answer), answer.status, &self.name(member), &call.doing)),
        }
    }

    /// What a request to this member shows; `None` where there is no user.
    pub(crate) async fn token(&self, member: usize) -> std::result::Result<Option<Token>, Failure> {
        let Some(user) = &self.user else { return Ok(None) };
        if let Some(token) = user.token() {
            return Ok(Some(token));
        }
        let begin = || {
            let request = self.post(member, "auth/authenticate", &user.request());
            let name = self.name(member);
            async move { sign_in(request, &name).await }
        };
        user.signed_in(member, begin).await.map(Some)
    }

    pub(crate) fn forget(&self, token: Option<&Token>) {
        if let (Some(user), Some(token)) = (&self.user, token) {
            user.forget(token);
        }
    }

    async fn send(&self, member: usize, call: &Call, token: Option<&Token>) -> std::result::Result<Answer, Failure> {
        let request = signed(self.post(member, call.path, &call.body), token);
        self.answer(request, member, call.most).await
    }

    /// A request that no token has been put into yet.
    pub(crate) fn post(&self, member: usize, path: &str, body: &Value) -> RequestBuilder {
        let url = self.address.members().get(member).map(|member| self.url(member, path)).unwrap_or_default();
        self.client
            .post(url)
            .header("Content-Type", "application/json")
            // A member that has no leader says so, instead of waiting for one for 7 s.
            .header("Grpc-Metadata-hasleader", "true")
            .body(body.to_string())
    }

    fn url(&self, member: &Member, path: &str) -> String {
        let scheme = if self.is_plain(member) { "http" } else { "https" };
        format!("{scheme}://{}/v3/{path}", member.authority())
    }

    fn is_plain(&self, member: &Member) -> bool {
        self.address.is_plain(member, self.has_certificates)
    }

    async fn answer(
        &self,
        request: RequestBuilder,
        member: usize,
        most: usize,
    ) -> std::result::Result<Answer, Failure> {
        answer(request, most, &self.name(member)).await.map_err(|error| match error.kind() {
            // Of an answer that is too long: all members have the same.
            ErrorKind::Refused => Failure::of_cluster(error),
            ErrorKind::Unreachable if error.to_string().contains("ended the connection") => {
                let plain = self.address.members().get(member).is_some_and(|member| self.is_plain(member));
                let complete = self.shows_certificate && !plain;
                Failure::of_member(if complete { error } else { errors::hung_up(error, plain) })
            }
            _ => Failure::of_member(error),
        })
    }

    /// For errors: "etcd at etcd-0:2379".
    pub(crate) fn name(&self, member: usize) -> String {
        format!("etcd at {}", self.address.members().get(member).map(Member::authority).unwrap_or_default())
    }
}

/// Shows user and password.
async fn sign_in(request: RequestBuilder, member: &str) -> std::result::Result<Token, Failure> {
    const DOING: &str = "signing in";
    let answer = answer(request, MOST_OF_SIGN_IN, member).await.map_err(Failure::of_member)?;
    if answer.is_success() {
        let signed_in: SignedIn =
            serde_json::from_slice(&answer.body).map_err(|_| Failure::of_member(errors::unreadable(member, DOING)))?;
        return Ok(Token(Some(signed_in.token.into())));
    }
    let refusal = Refusal::read(&answer);
    // As etcd's own clients do.
    if refusal.is_authentication_off() {
        Ok(Token(None))
    } else {
        Err(errors::explain(&refusal, answer.status, member, DOING))
    }
}

/// With the token in its header.
pub(crate) fn signed(request: RequestBuilder, token: Option<&Token>) -> RequestBuilder {
    let Some(Token(Some(token))) = token else { return request };
    let Ok(mut value) = reqwest::header::HeaderValue::from_str(token) else { return request };
    value.set_sensitive(true);
    request.header("Authorization", value)
}

/// What keeps a request from going to a member that does not answer, also where it is dropped for that.
struct MovingOn<'a> {
    preferred: &'a AtomicUsize,
    from: usize,
    to: usize,
}

impl MovingOn<'_> {
    fn on_to(mut self, member: usize) {
        self.to = member;
    }
}

impl Drop for MovingOn<'_> {
    fn drop(&mut self) {
        // Another request may have found a member that answers meanwhile. Then it has failed in vain.
        let _ = self.preferred.compare_exchange(self.from, self.to, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.address)
    }
}
