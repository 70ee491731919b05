//! What the API server's refusals mean, and which rule is missing.

use std::fmt;
use std::time::Duration;

use leader_election::kit::redact::printable;
use leader_election::{Error, ErrorKind};
use leader_election_http::{Answer, status};
use serde_json::Value;

use crate::object::KubernetesObject;

/// One request, in the words of an error: what was to be done, to what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// As a Role has it.
    pub(crate) verb: &'static str,
    pub(crate) object: &'a KubernetesObject,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verb {
            // It names no object.
            "list" => write!(f, "list {}", self.object.kind_in_namespace()),
            verb => write!(f, "{verb} {}", self.object),
        }
    }
}

/// What the server says of itself in the body of a refusal. Not all of them have one: a 429 is plain text.
pub(crate) struct Said(Value);

impl Said {
    pub(crate) fn of(answer: &Answer) -> Self {
        Self(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub(crate) fn reason(&self) -> &str {
        self.0.get("reason").and_then(Value::as_str).unwrap_or_default()
    }

    /// The kind of what is missing or refused, in its plural.
    pub(crate) fn about(&self) -> &str {
        self.0.pointer("/details/kind").and_then(Value::as_str).unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.0.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    fn is_about_a_namespace_that_ends(&self) -> bool {
        let causes = self.0.pointer("/details/causes").and_then(Value::as_array);
        causes.is_some_and(|causes| causes.iter().any(|cause| cause["reason"] == "NamespaceTerminating"))
    }

    /// As whom the request came, if it says so: `cannot update ...: User "system:serviceaccount:prod:worker" cannot ...`.
    fn user(&self) -> Option<String> {
        let (_, after) = self.message().split_once("User \"")?;
        Some(printable(after.split('"').next()?))
    }
}

/// The error for an answer that is none of those that the request can go on with.
pub(crate) fn explain(call: Call<'_>, answer: &Answer) -> Error {
    let said = Said::of(answer);
    let object = call.object;
    let namespace = &object.namespace;
    let (kind, message) = match answer.status {
        401 => (
            ErrorKind::Denied,
            format!(
                "the API server does not accept the token (401), to {call}: is it this cluster's, and not out of date?"
            ),
        ),
        403 if said.is_about_a_namespace_that_ends() => (
            ErrorKind::Denied,
            format!("namespace {namespace} is being deleted, so nothing can be created there (403): use another one"),
        ),
        403 => {
            let who = said.user().unwrap_or_else(|| "this worker".to_owned());
            (
                ErrorKind::Denied,
                format!("{who} may not {call} (403): add to its Role the rule {}", object.rule(call.verb)),
            )
        }
        404 if said.about() == "namespaces" => {
            (ErrorKind::NotFound, format!("there is no namespace {namespace} to {call} (404): create it"))
        }
        404 => (ErrorKind::NotFound, format!("there is nothing to {call} (404)")),
        429 => (ErrorKind::Throttled, format!("the API server asks for fewer requests (429), to {call}")),
        status => {
            let words = printable(said.message());
            let colon = if words.is_empty() { "" } else { ": " };
            (status::kind(status), format!("the API server answered {status} to {call}{colon}{words}"))
        }
    };
    Error::new(kind, message).with_retry_after(retry_after(answer))
}

/// In whole seconds; other forms are not in use here.
fn retry_after(answer: &Answer) -> Option<Duration> {
    answer.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: Default::default(), body: body.as_bytes().to_vec() }
    }

    fn explained(verb: &'static str, status: u16, body: &str) -> Error {
        let object = KubernetesObject::lease("prod", "billing").expect("valid");
        explain(Call { verb, object: &object }, &answer(status, body))
    }

    #[test]
    fn a_refusal_names_verb_resource_namespace_and_the_rule_to_add() {
        let message = r#"leases.coordination.k8s.io "billing" is forbidden: User "system:serviceaccount:prod:worker" cannot update resource "leases" in API group "coordination.k8s.io" in the namespace "prod""#;
        let body = json!({"kind": "Status", "reason": "Forbidden", "message": message}).to_string();
        let error = explained("update", 403, &body);
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(
            error.to_string(),
            "system:serviceaccount:prod:worker may not update leases/billing in namespace prod (403): add to its Role the rule \
             - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [update], resourceNames: [billing]}"
        );
    }

    #[test]
    fn a_list_names_the_kind_and_no_object() {
        let error = explained("list", 403, "{}");
        let text = "this worker may not list leases in namespace prod (403): add to its Role the rule \
                    - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list]}";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn what_may_pass_is_transient_and_a_namespace_that_is_gone_or_going_is_named() {
        let throttled = explained("get", 429, "Too many requests, please try again later.");
        assert_eq!(throttled.kind(), ErrorKind::Throttled);
        for status in [500, 503, 504] {
            assert_eq!(explained("update", status, "rpc error").kind(), ErrorKind::Unavailable);
        }
        let gone = json!({"reason": "NotFound", "details": {"kind": "namespaces", "name": "prod"}}).to_string();
        let error = explained("create", 404, &gone);
        assert_eq!((error.kind(), error.to_string().contains("namespace prod")), (ErrorKind::NotFound, true));
        let going =
            json!({"reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}).to_string();
        assert!(explained("create", 403, &going).to_string().contains("namespace prod is being deleted"));
        assert_eq!(explained("get", 401, "Unauthorized").kind(), ErrorKind::Denied);
        assert_eq!(explained("update", 422, "[]").kind(), ErrorKind::Refused);
    }
}
