//! Requests to a cluster: to which member, with which token, and to how many at once.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
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
    user: Option<User>,
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
    /// After this time without an answer the next member is asked as well.
    pub(crate) patience: Duration,
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
        let shows_certificate = plain || trust.identity.is_some();
        let settings = Settings { plain, timeout: Some(LIMIT), trust, ..Settings::default() };
        let client = client(&settings)?;
        Ok(Self { address, user, has_certificates, shows_certificate, client, preferred: AtomicUsize::new(0) })
    }

    pub(crate) fn address(&self) -> &EtcdAddress {
        &self.address
    }

    /// The member that answered last.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    /// Asks the member that answered last; the others too, one after the other, when there is no answer within [`Call::patience`] or
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
        asked.extend(unasked.next().map(|member| self.ask(member, call)));
        loop {
            tokio::select! {
                Some((member, outcome)) = asked.next() => match outcome {
                    Err(Failure { error, elsewhere: true }) => {
                        failures.push(error);
                        asked.extend(unasked.next().map(|next| self.ask(next, call)));
                    }
                    outcome => {
                        moving_on.on_to(member);
                        return outcome.map(|body| (member, body)).map_err(|failure| failure.error);
                    }
                },
                () = tokio::time::sleep(call.patience), if unasked.len() > 0 => {
                    asked.extend(unasked.next().map(|next| self.ask(next, call)));
                }
                else => return Err(errors::of_all(failures)),
            }
        }
    }

    /// Asks one member.
    async fn ask(&self, member: usize, call: &Call) -> (usize, std::result::Result<Vec<u8>, Failure>) {
        (member, self.ask_signed_in(member, call).await)
    }

    async fn ask_signed_in(&self, member: usize, call: &Call) -> std::result::Result<Vec<u8>, Failure> {
        let token = self.token(member, &call.doing).await?;
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
        let token = self.token(member, &call.doing).await?;
        let answer = self.send(member, call, token.as_ref()).await?;
        match answer.is_success() {
            true => Ok(answer.body),
            false => Err(errors::explain(&Refusal::read(&answer), answer.status, &self.name(member), &call.doing)),
        }
    }

    /// What a request to this member shows; `None` where there is no user.
    pub(crate) async fn token(&self, member: usize, doing: &str) -> std::result::Result<Option<Token>, Failure> {
        let Some(user) = &self.user else { return Ok(None) };
        if let Some(token) = user.token() {
            return Ok(Some(token));
        }
        let request = self.post(member, "auth/authenticate", &user.request());
        let answer = self.answer(request, member, MOST_OF_SIGN_IN).await?;
        let token = if answer.is_success() {
            let signed_in: SignedIn = serde_json::from_slice(&answer.body)
                .map_err(|_| Failure::of_member(errors::unreadable(&self.name(member), doing)))?;
            Token(Some(signed_in.token.into()))
        } else {
            let refusal = Refusal::read(&answer);
            if !refusal.is_authentication_off() {
                return Err(errors::explain(&refusal, answer.status, &self.name(member), doing));
            }
            // As etcd's own clients do.
            Token(None)
        };
        user.remember(&token);
        Ok(Some(token))
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
        let scheme = if self.address.is_plain(member, self.has_certificates) { "http" } else { "https" };
        format!("{scheme}://{}/v3/{path}", member.authority())
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
            // etcd sends an alert first, and the HTTP client may lose it.
            ErrorKind::Unreachable if !self.shows_certificate && error.to_string().contains("ended the connection") => {
                Failure::of_member(errors::perhaps_for_want_of_a_certificate(error))
            }
            _ => Failure::of_member(error),
        })
    }

    /// For errors: "etcd at etcd-0:2379".
    pub(crate) fn name(&self, member: usize) -> String {
        format!("etcd at {}", self.address.members().get(member).map(Member::authority).unwrap_or_default())
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
