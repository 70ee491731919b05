//! The requests to the API server, and their answers.

use std::sync::Arc;

use leader_election::kit::service_time;
use leader_election::{Error, ErrorKind, Result};
use leader_election_http::{Answer, answer};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::cluster::KubernetesCluster;
use crate::errors::{Call, Said, explain};
use crate::object::KubernetesObject;
use crate::times;
use crate::wire::Object;

/// The most bytes that an answer may have. etcd takes objects of up to 1.5 MiB, and their JSON can be longer.
const MOST: usize = 4 * 1024 * 1024;
/// Who manages the fields, as the server has it from the `User-Agent`: the same for all workers, or their entries would pile up.
const AGENT: HeaderValue = HeaderValue::from_static("azure-leader-election");

/// An object as it was read.
pub(crate) struct Read {
    pub(crate) object: Object,
    /// By the clock of the server that answered.
    pub(crate) server_ms: Option<u64>,
}

/// What became of a write that names a version.
pub(crate) enum Outcome {
    /// With the object as it stands now.
    Done(Object),
    /// It is another one than was seen, or is there already, or is gone.
    Conflict,
}

/// Reads the latest version: without a parameter `resourceVersion` no cache answers.
pub(crate) async fn get(cluster: &KubernetesCluster, object: &KubernetesObject) -> Result<Option<Read>> {
    let call = Call { verb: "get", object };
    let answer = send(cluster, call, Method::GET, &object.path(), None).await?;
    match answer.status {
        200 => Ok(Some(Read { object: body(call, &answer)?, server_ms: server_ms(&answer) })),
        // A namespace that is missing looks the same.
        404 => Ok(None),
        _ => Err(explain(call, &answer)),
    }
}

pub(crate) async fn create(
    cluster: &KubernetesCluster,
    object: &KubernetesObject,
    content: &Object,
) -> Result<Outcome> {
    let call = Call { verb: "create", object };
    let answer = send(cluster, call, Method::POST, &object.collection(), Some(content)).await?;
    match answer.status {
        200 | 201 => Ok(Outcome::Done(body(call, &answer)?)),
        409 if Said::of(&answer).reason() == "AlreadyExists" => Ok(Outcome::Conflict),
        _ => Err(explain(call, &answer)),
    }
}

/// Replaces an object by `content`, which must hold the uid and the resourceVersion that were read.
///
/// Without the uid the server would create an object anew that somebody has deleted. It is looked at here, as nothing tells a caller.
pub(crate) async fn replace(
    cluster: &KubernetesCluster,
    object: &KubernetesObject,
    content: &Object,
) -> Result<Outcome> {
    let call = Call { verb: "update", object };
    let has =
        |name: &str| content.get("metadata").and_then(|metadata| metadata.get(name)).is_some_and(Value::is_string);
    if !has("uid") || !has("resourceVersion") {
        return Err(Error::new(ErrorKind::CorruptRecord, format!("{object} was read without uid or resourceVersion")));
    }
    let answer = send(cluster, call, Method::PUT, &object.path(), Some(content)).await?;
    match answer.status {
        200 | 201 => Ok(Outcome::Done(body(call, &answer)?)),
        409 => Ok(Outcome::Conflict),
        // Gone; newer servers may say so in this way.
        404 => Ok(Outcome::Conflict),
        _ => Err(explain(call, &answer)),
    }
}

/// A page of the objects of that kind in the namespace, and where the next one begins.
pub(crate) async fn list(
    cluster: &KubernetesCluster,
    object: &KubernetesObject,
    from: Option<&str>,
) -> Result<(Vec<Value>, Option<String>)> {
    let call = Call { verb: "list", object };
    // The server's own word, of base64 in its form for URLs; anything else is none of its.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'.' | b'~');
    let from = from.filter(|from| from.bytes().all(is_plain)).map(|from| format!("&continue={from}"));
    let path = format!("{}?limit=500{}", object.collection(), from.unwrap_or_default());
    let answer = send(cluster, call, Method::GET, &path, None).await?;
    if answer.status != 200 {
        return Err(explain(call, &answer));
    }
    let mut page = body(call, &answer)?;
    let Some(Value::Array(items)) = page.remove("items") else { return Err(unreadable(call)) };
    let next = page.get("metadata").and_then(|metadata| metadata.get("continue")).and_then(Value::as_str);
    Ok((items, next.filter(|next| !next.is_empty()).map(str::to_owned)))
}

async fn send(
    cluster: &KubernetesCluster,
    call: Call<'_>,
    method: Method,
    path: &str,
    content: Option<&Object>,
) -> Result<Answer> {
    let (request, sent) = signed(cluster, cluster.requests(), method, path).await?;
    let request = match content {
        Some(content) => {
            let text = serde_json::to_vec(content)
                .map_err(|error| Error::new(ErrorKind::Refused, format!("no JSON to {call}: {error}")))?;
            request.header(CONTENT_TYPE, "application/json").body(text)
        }
        None => request,
    };
    let answer = answer(request, MOST, &cluster.what()).await?;
    match sent {
        Some(sent) if answer.status == 401 => Err(refused(cluster, call, &answer, &sent).await),
        _ => Ok(answer),
    }
}

/// A request that bears the token of this moment, and that token.
pub(crate) async fn signed(
    cluster: &KubernetesCluster,
    client: &Client,
    method: Method,
    path: &str,
) -> Result<(RequestBuilder, Option<Arc<str>>)> {
    let request = client.request(method, format!("{}{path}", cluster.url())).header(USER_AGENT, AGENT);
    let Some(token) = cluster.token() else { return Ok((request, None)) };
    let text = token.get().await?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {text}"))
        .map_err(|_| Error::setting("the token for the API server holds characters that no token has"))?;
    bearer.set_sensitive(true);
    Ok((request.header(AUTHORIZATION, bearer), Some(text)))
}

/// A 401: the token was replaced while it was on its way, or is none of this cluster's.
pub(crate) async fn refused(cluster: &KubernetesCluster, call: Call<'_>, answer: &Answer, sent: &str) -> Error {
    let Some(token) = cluster.token() else { return explain(call, answer) };
    match token.has_changed_from(sent).await {
        Ok(false) => explain(call, answer),
        Ok(true) => Error::new(
            ErrorKind::Credential,
            format!(
                "the API server refused a token that was replaced meanwhile, to {call}: the next attempt bears the new one"
            ),
        ),
        Err(error) => error,
    }
}

fn body(call: Call<'_>, answer: &Answer) -> Result<Object> {
    serde_json::from_slice(&answer.body).map_err(|_| unreadable(call))
}

fn unreadable(call: Call<'_>) -> Error {
    Error::new(ErrorKind::Refused, format!("what answered to {call} is no API server: its body is no such object"))
}

fn server_ms(answer: &Answer) -> Option<u64> {
    answer.header("date").and_then(times::date).and_then(service_time::millis_in)
}
