//! A Kubernetes API server, which KUBE_URL, KUBE_CA and KUBE_TOKEN name.

use std::net::SocketAddr;
use std::time::Duration;

use azure_leader_election::StoreOptions;
use leader_election_http::{Settings, Trust, answer, client};
use rounds::ledger::{Ledger, ledger};
use rounds::{Harm, Service};
use serde_json::json;

use crate::play;

struct ApiServer {
    address: SocketAddr,
    authority: String,
    token: String,
}

impl ApiServer {
    fn of_the_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let url = variable("KUBE_URL");
        let address = url.trim_start_matches("https://").trim_end_matches('/').parse();
        let address = address.expect("KUBE_URL has an address of IP and port, as the links lead there");
        Self { address, authority: variable("KUBE_CA"), token: variable("KUBE_TOKEN") }
    }
}

impl Service for ApiServer {
    fn name(&self) -> &str {
        "kube"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        vec![self.address]
    }

    fn store(&self, _: &[SocketAddr]) -> String {
        "kube:default".to_owned()
    }

    /// The link is on 127.0.0.1, for which the server's certificate is.
    fn environment(&self, addresses: &[SocketAddr]) -> Vec<(String, String)> {
        let variables = [
            ("KUBE_URL", format!("https://{}", addresses[0])),
            ("KUBE_CA", self.authority.clone()),
            ("KUBE_TOKEN", self.token.clone()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    fn open_ledger(&self, election: &str) -> Box<dyn Ledger> {
        // This process has the same environment, but for the link.
        let options: StoreOptions = rounds::ledger::options();
        ledger("kube:default", election, &options)
    }

    /// A fenced object has to be there.
    fn prepare(&self, election: &str) {
        let authorities = std::fs::read(&self.authority).expect("the authority's file");
        let trust = Trust { authorities: Some(authorities), identity: None };
        let client = client(&Settings { proxy: false, trust, ..Settings::default() }).expect("a client");
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("ledger-{election}")}, "data": {"entries": ""},
        });
        let url = format!("https://{}/api/v1/namespaces/default/configmaps", self.address);
        let request = client.post(url).bearer_auth(&self.token).header("content-type", "application/json");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answer = runtime.block_on(answer(request.body(object.to_string()), 64 * 1024, "the API server"));
        assert_eq!(answer.expect("an answer").status, 201);
    }
}

#[test]
#[ignore = "needs an API server of Kubernetes: KUBE_URL, KUBE_CA, KUBE_TOKEN"]
fn on_kubernetes_no_stale_write_is_accepted() {
    let outcome = play(&ApiServer::of_the_environment(), &Harm::ALL, Duration::from_secs(6), 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}
