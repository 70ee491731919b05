//! Signing in: with Entra ID, by TLS, and again before a token ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_leader_election::{
    DistributedMutex, ErrorKind, Renew, ServiceBusDistributedMutex, ServiceBusMutexOptions, async_trait,
};
use testbroker::{Broker, Settings};
use testservers::Authority;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::common::{QUEUE, claim, granted, queue_at};

const LEASE: Duration = Duration::from_secs(3);

/// An identity whose tokens are good for so long.
#[derive(Debug)]
struct Identity {
    token: &'static str,
    good_for: Duration,
    asked: AtomicU64,
}

#[async_trait]
impl TokenCredential for Identity {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://servicebus.azure.net/.default"]);
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(AccessToken::new(self.token, (SystemTime::now() + self.good_for).into()))
    }
}

fn identity(token: &'static str) -> Arc<Identity> {
    Arc::new(Identity { token, good_for: Duration::from_secs(3_600), asked: AtomicU64::new(0) })
}

fn broker_with_entra(tls: Option<Arc<ServerConfig>>) -> Broker {
    Broker::start(Settings { jwt: Some("eyJ0eXAiSECRET".to_owned()), tls, ..Settings::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_elects_and_one_without_roles_is_told_which() {
    let broker = broker_with_entra(None);
    let known = identity("eyJ0eXAiSECRET");
    let mutex = ServiceBusDistributedMutex::new(queue_at(broker.address(), QUEUE), "nightly", Arc::clone(&known))
        .expect("valid");
    let a = claim("a", LEASE);
    granted(&mutex, &a).await;
    for _ in 0..3 {
        assert_eq!(mutex.renew(&a).await.expect("it leads"), Renew::Renewed);
    }
    assert_eq!(known.asked.load(Ordering::SeqCst), 1, "one token for all requests");
    assert_eq!(broker.world().counted("put-token"), 1);

    let unknown =
        ServiceBusDistributedMutex::new(queue_at(broker.address(), QUEUE), "nightly", identity("eyJ0eXAiOTHER"));
    let refusal = unknown.expect("valid").try_acquire((&a).into()).await.expect_err("no roles");
    assert_eq!(refusal.kind(), ErrorKind::Denied);
    assert!(refusal.to_string().contains("Data Receiver") && !format!("{refusal:?}").contains("eyJ0"), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tls_the_server_must_be_vouched_for() {
    let authority = Authority::new();
    let certificate = authority.certificate("broker");
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).expect("a key");
    let tls =
        ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
    let broker = broker_with_entra(Some(Arc::new(tls)));
    let queue = queue_at(broker.address(), QUEUE);
    let trusting = |authority: &Authority| {
        ServiceBusDistributedMutex::new(queue.clone(), "nightly", identity("eyJ0eXAiSECRET"))
            .and_then(|mutex| {
                let authorities = Some(authority.pem().into_bytes());
                mutex.with_options(ServiceBusMutexOptions { authorities, ..Default::default() })
            })
            .expect("valid")
    };
    let a = claim("a", LEASE);
    let stranger = trusting(&Authority::new()).try_acquire((&a).into()).await.expect_err("another authority's");
    assert!(!stranger.is_transient() && stranger.to_string().contains("certificate"), "{stranger}");
    granted(&trusting(&authority), &a).await;
}
