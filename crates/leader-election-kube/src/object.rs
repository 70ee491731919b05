//! Which object of the API server is meant.

use std::fmt;

use leader_election::{Error, Result};

use crate::names;

/// An object in a namespace, by what its URL is made of.
///
/// ```
/// use leader_election_kube::KubernetesObject;
///
/// let state = KubernetesObject::config_map("prod", "billing-state")?;
/// assert_eq!(state.to_string(), "configmaps/billing-state in namespace prod");
/// // Of any kind: the group and version as in a manifest's `apiVersion`, the kind in its plural.
/// let other = KubernetesObject::new("example.com/v1", "ledgers", "prod", "billing")?;
/// # let _ = other;
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KubernetesObject {
    api_version: String,
    plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl KubernetesObject {
    /// An object of any kind that lives in a namespace.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for names that the API server would not take.
    pub fn new(api_version: &str, plural: &str, namespace: &str, name: &str) -> Result<Self> {
        let is_word = |text: &str| names::is_subdomain(text) && text.len() <= 63;
        let is_version = match api_version.split_once('/') {
            Some((group, version)) => names::is_subdomain(group) && is_word(version),
            None => is_word(api_version),
        };
        if !is_version || !is_word(plural) {
            return Err(Error::setting(
                "an object's kind is named by its apiVersion, such as `v1` or `example.com/v1`, and its plural in lower case, such \
                 as `configmaps`",
            ));
        }
        names::check_namespace(namespace)?;
        names::check_object(name)?;
        let [api_version, plural, namespace, name] = [api_version, plural, namespace, name].map(str::to_owned);
        Ok(Self { api_version, plural, namespace, name })
    }

    /// A ConfigMap: for a leader's small state, up to 1 MiB.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn config_map(namespace: &str, name: &str) -> Result<Self> {
        Self::new("v1", "configmaps", namespace, name)
    }

    /// A Lease. `name` is not checked as that of an election.
    pub(crate) fn lease(namespace: &str, name: &str) -> Result<Self> {
        Self::new("coordination.k8s.io/v1", "leases", namespace, name)
    }

    /// The path of all objects of this kind in the namespace, which a POST creates one at.
    pub(crate) fn collection(&self) -> String {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{}/namespaces/{}/{}", self.api_version, self.namespace, self.plural)
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    pub(crate) fn kind_in_namespace(&self) -> String {
        format!("{} in namespace {}", self.plural, self.namespace)
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The line of a Role that allows this verb on this object.
    pub(crate) fn rule(&self, verb: &str) -> String {
        let group = self.api_version.split_once('/').map_or("\"\"", |(group, _)| group);
        // A POST and a list name no object, so a rule for them cannot.
        let names = match verb {
            "create" | "list" => String::new(),
            _ => format!(", resourceNames: [{}]", self.name),
        };
        format!("- {{apiGroups: [{group}], resources: [{}], verbs: [{verb}]{names}}}", self.plural)
    }
}

impl fmt::Display for KubernetesObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} in namespace {}", self.plural, self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_the_path_and_the_rule_that_kubernetes_has_for_it() {
        let lease = KubernetesObject::lease("prod", "billing").expect("valid");
        assert_eq!(lease.path(), "/apis/coordination.k8s.io/v1/namespaces/prod/leases/billing");
        assert_eq!(
            lease.rule("update"),
            "- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [update], resourceNames: [billing]}"
        );
        assert_eq!(lease.rule("create"), "- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}");
        let map = KubernetesObject::config_map("prod", "state").expect("valid");
        assert_eq!(map.path(), "/api/v1/namespaces/prod/configmaps/state");
        assert!(map.rule("get").starts_with("- {apiGroups: [\"\"], resources: [configmaps]"));
    }

    #[test]
    fn what_would_lead_to_another_path_is_refused() {
        for (version, plural, namespace, name) in [
            ("v1/..", "configmaps", "prod", "state"),
            ("v1", "configmaps/..", "prod", "state"),
            ("v1", "configmaps", "../kube-system", "state"),
            ("v1", "configmaps", "prod", "state?watch=1"),
            ("v1", "ConfigMap", "prod", "state"),
        ] {
            assert!(
                KubernetesObject::new(version, plural, namespace, name).is_err(),
                "{version} {plural} {namespace} {name}"
            );
        }
    }
}
