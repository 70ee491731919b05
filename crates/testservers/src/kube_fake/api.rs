//! The requests, apart from watches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::lease::{self, Refusal};
use super::objects::{Key, Objects, namespace};
use super::{ADMIN, NOBODY, Shared};

type Answer = Result<(u16, Value), Refusal>;

/// For how long a read waits for a database that is away. A real server was seen to wait for 38 s.
const PATIENCE: Duration = Duration::from_secs(3);
const MOST_ANNOTATIONS: usize = 262_144;

pub(super) fn answer(request: &Request, shared: &Arc<Shared>) -> Reply {
    reply(answered(request, shared))
}

fn answered(request: &Request, shared: &Arc<Shared>) -> Answer {
    let key =
        key(&request.path).ok_or((404, "NotFound", "the server could not find the requested resource".to_owned()))?;
    authorize(request, &key)?;
    wait_for_etcd(request, shared)?;
    let body: Value = match request.body.as_slice() {
        [] => Value::Null,
        body => serde_json::from_slice(body).map_err(|_| (400, "BadRequest", "no JSON".to_owned()))?,
    };
    let objects = &mut shared.state().objects;
    let answer = match request.method.as_str() {
        "GET" if key.2.is_empty() => Ok((200, list(objects, &key))),
        "GET" => objects.get(&key).cloned().map(|object| (200, object)).ok_or_else(|| not_found(&key)),
        "POST" => create(objects, request, key, body),
        "PUT" => replace(objects, key, body),
        "PATCH" if request.content_type == "application/merge-patch+json" => patch(objects, key, &body),
        "DELETE" => delete(objects, key),
        _ => Err((405, "MethodNotAllowed", "the server does not allow this method".to_owned())),
    };
    shared.notify();
    answer
}

/// Of the three kinds that there are; the name is empty for a collection.
pub(super) fn key(path: &str) -> Option<Key> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (plural, namespace, name) = match parts.as_slice() {
        ["api", "v1", "namespaces"] => ("namespaces", "", ""),
        ["api", "v1", "namespaces", name] => ("namespaces", "", *name),
        ["api", "v1", "namespaces", namespace, "configmaps", name @ ..] => {
            ("configmaps", *namespace, *name.first().unwrap_or(&""))
        }
        ["apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", name @ ..] => {
            ("leases", *namespace, *name.first().unwrap_or(&""))
        }
        _ => return None,
    };
    Some((plural.to_owned(), namespace.to_owned(), name.to_owned()))
}

pub(super) fn authorize(request: &Request, (plural, namespace, name): &Key) -> Result<(), Refusal> {
    let user = match request.token.as_deref() {
        Some(ADMIN) => return Ok(()),
        Some(NOBODY) => "nobody",
        None => "system:anonymous",
        Some(_) => return Err((401, "Unauthorized", "Unauthorized".to_owned())),
    };
    let verb = match request.method.as_str() {
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ if request.query.contains_key("watch") => "watch",
        _ if name.is_empty() => "list",
        _ => "get",
    };
    let message = format!(
        "{plural}.coordination.k8s.io \"{name}\" is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \
         \"coordination.k8s.io\" in the namespace \"{namespace}\""
    );
    Err((403, "Forbidden", message))
}

fn wait_for_etcd(request: &Request, shared: &Arc<Shared>) -> Result<(), Refusal> {
    let limit = request.query.get("timeout").and_then(|text| text.trim_end_matches('s').parse().ok());
    let end = Instant::now() + limit.map_or(PATIENCE, Duration::from_secs);
    let mut state = shared.state();
    while state.etcd_stopped {
        if Instant::now() >= end {
            return Err(match limit {
                Some(_) => (504, "Timeout", "request did not complete within requested timeout".to_owned()),
                None => (500, "", "rpc error: code = Unavailable desc = transport is closing".to_owned()),
            });
        }
        state = shared.wait(state, Duration::from_millis(50));
    }
    Ok(())
}

fn list(objects: &Objects, (plural, namespace, _): &Key) -> Value {
    let items: Vec<&Value> = objects.of(plural, namespace).collect();
    json!({"kind": "List", "metadata": {"resourceVersion": objects.version().to_string()}, "items": items})
}

fn create(objects: &mut Objects, request: &Request, (plural, space, _): Key, body: Value) -> Answer {
    let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = (plural, space, name);
    if !body["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        return Err((500, "", "resourceVersion should not be set on objects to be created".to_owned()));
    }
    check(&key, &body)?;
    if !key.1.is_empty() {
        let space = objects.get(&namespace(&key.1)).ok_or_else(|| not_found(&namespace(&key.1)))?;
        if !space["metadata"]["deletionTimestamp"].is_null() {
            return Err((403, "NamespaceTerminating", format!("namespace {} is being terminated", key.1)));
        }
    }
    if objects.get(&key).is_some() {
        return Err((409, "AlreadyExists", format!("{} \"{}\" already exists", key.0, key.2)));
    }
    let object = normalized(&key, body);
    if request.query.get("dryRun").is_some_and(|all| all == "All") {
        return Ok((201, objects.prepared(&key, object)));
    }
    Ok((201, objects.create(key, object)))
}

fn replace(objects: &mut Objects, key: Key, body: Value) -> Answer {
    check(&key, &body)?;
    let text = |name: &str| body["metadata"][name].as_str().unwrap_or_default();
    let (uid, version) = (text("uid"), text("resourceVersion"));
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err((500, "", format!("strconv.ParseUint: parsing \"{version}\": invalid syntax")));
    }
    let Some(present) = objects.get(&key) else {
        if !uid.is_empty() {
            return Err((409, "Conflict", "Precondition failed: UID in precondition".to_owned()));
        }
        let mut body = body;
        body["metadata"]["resourceVersion"] = Value::Null;
        return Ok((201, objects.create(key.clone(), normalized(&key, body))));
    };
    if matches!(version, "" | "0") {
        return Err((422, "Invalid", "metadata.resourceVersion: must be specified for an update".to_owned()));
    }
    let stands = |name: &str| present["metadata"][name].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != stands("uid") {
        return Err((409, "Conflict", "Precondition failed: UID in precondition".to_owned()));
    }
    if version != stands("resourceVersion") {
        return Err((409, "Conflict", "the object has been modified".to_owned()));
    }
    let mut object = normalized(&key, body);
    for name in ["uid", "creationTimestamp", "deletionTimestamp", "managedFields", "namespace", "name"] {
        object["metadata"][name] = present["metadata"][name].clone();
    }
    Ok((200, stored(objects, key, object)))
}

/// What changes nothing writes nothing.
fn stored(objects: &mut Objects, key: Key, mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
    if objects.get(&key) == Some(&object) { object } else { objects.replace(key, object) }
}

fn patch(objects: &mut Objects, key: Key, patch: &Value) -> Answer {
    let mut object = objects.get(&key).cloned().ok_or_else(|| not_found(&key))?;
    let named = patch["metadata"]["resourceVersion"].as_str();
    if named.is_some_and(|version| object["metadata"]["resourceVersion"] != version) {
        return Err((409, "Conflict", "the object has been modified".to_owned()));
    }
    merge(&mut object, patch);
    check(&key, &object)?;
    let object = normalized(&key, object);
    Ok((200, stored(objects, key, object)))
}

fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in patch {
        match value {
            Value::Null => drop(object.as_object_mut().map(|object| object.remove(name))),
            value => merge(&mut object[name], value),
        }
    }
}

fn delete(objects: &mut Objects, key: Key) -> Answer {
    let mut object = objects.get(&key).cloned().ok_or_else(|| not_found(&key))?;
    let finalized =
        key.0 == "namespaces" || object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if !finalized {
        objects.delete(&key);
        return Ok((200, json!({"kind": "Status", "status": "Success"})));
    }
    object["metadata"]["deletionTimestamp"] = "2026-11-28T00:00:00Z".into();
    Ok((200, stored(objects, key, object)))
}

fn check((plural, ..): &Key, object: &Value) -> Result<(), Refusal> {
    if plural == "leases" {
        lease::check(object)?;
    }
    let annotations = object["metadata"]["annotations"].as_object();
    let size = annotations
        .map_or(0, |all| all.iter().map(|(name, text)| name.len() + text.as_str().map_or(0, str::len)).sum());
    if size > MOST_ANNOTATIONS {
        return Err((
            422,
            "Invalid",
            format!("metadata.annotations: Too long: must have at most {MOST_ANNOTATIONS} bytes"),
        ));
    }
    Ok(())
}

fn normalized((plural, ..): &Key, object: Value) -> Value {
    if plural == "leases" { lease::normalized(object) } else { object }
}

fn not_found((plural, _, name): &Key) -> Refusal {
    (
        404,
        if plural == "namespaces" { "NamespaceNotFound" } else { "NotFound" },
        format!("{plural} \"{name}\" not found"),
    )
}

pub(super) fn refused((status, reason, message): Refusal) -> Reply {
    reply(Err((status, reason, message)))
}

/// As a server answers that did not look at the request.
pub(super) fn refusal(status: u16) -> Reply {
    match status {
        429 => Reply {
            status,
            content_type: "text/plain; charset=utf-8",
            retry_after: Some(1),
            body: "Too many requests, please try again later.\n".to_owned(),
        },
        401 => refused((401, "Unauthorized", "Unauthorized".to_owned())),
        410 => refused((410, "Expired", "too old resource version".to_owned())),
        status => refused((status, "", "rpc error: code = Unavailable desc = transport is closing".to_owned())),
    }
}

fn reply(answer: Answer) -> Reply {
    let (status, body) = match answer {
        Ok(done) => done,
        Err((status, reason, message)) => {
            let (kind, cause) = match reason {
                "NamespaceNotFound" => ("namespaces", None),
                "NamespaceTerminating" => ("leases", Some(json!([{"reason": "NamespaceTerminating"}]))),
                // Of an object that is not valid it tells the kind.
                "Invalid" if !message.starts_with("metadata.resourceVersion") => ("Lease", None),
                "BadRequest" | "" | "Unauthorized" => ("", None),
                _ => ("leases", None),
            };
            let reason = match reason {
                "NamespaceNotFound" => "NotFound",
                "NamespaceTerminating" => "Forbidden",
                reason => reason,
            };
            let details = json!({"kind": kind, "causes": cause});
            (
                status,
                json!({"kind": "Status", "reason": reason, "message": message, "details": details, "code": status}),
            )
        }
    };
    Reply { status, content_type: "application/json", retry_after: None, body: body.to_string() }
}
