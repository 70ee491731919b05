//! What URLs say, and what is said of those that are none.

use std::time::Duration;

use leader_election::{Claim, ErrorKind};

use super::address::FromUrl;
use super::blob::{Container, Form, Server};
use super::cosmos::Documents;
use super::file::Directory;
use super::given::Given;
use super::*;

fn read<P: FromUrl>(url: &str) -> P {
    let given = Given::cut(url).unwrap_or_else(|| panic!("{url}: no scheme"));
    P::read(&given).expect(url).unwrap_or_else(|| panic!("{url}: of another store"))
}

fn shown(url: &str) -> String {
    url.parse::<StoreUrl>().unwrap_or_else(|error| panic!("{url}: {error}")).to_string()
}

fn refusal(url: &str) -> String {
    let refusal = url.parse::<StoreUrl>().expect_err(url);
    assert_eq!(refusal.kind(), ErrorKind::InvalidSetting, "{url}");
    refusal.to_string()
}

#[test]
fn a_directory_is_named_with_one_slash_or_three() {
    for url in ["file:/var/lib/leases", "file:///var/lib/leases", "FILE:/var/lib/leases"] {
        assert!(read::<Directory>(url) == Directory("/var/lib/leases".into()));
        assert_eq!(shown(url), "file:/var/lib/leases");
    }
    assert_eq!(shown("file:leases"), "file:leases");
    assert!(refusal("file://server/leases").contains("on this machine"));
    assert!(refusal("file:").contains("no directory"));
}

#[test]
fn a_directory_is_the_same_place_however_it_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().canonicalize().expect("a path");
    let identity = |url: String| url.parse::<StoreUrl>().expect("valid").identity();
    let roundabout = format!("file:{}/../{}", path.display(), path.file_name().expect("a name").to_string_lossy());
    assert_eq!(identity(roundabout), identity(format!("file:{}", path.display())));
    assert!(identity("file:leases".to_owned()).starts_with("file:/"), "whole, though there is no such directory");
}

#[test]
fn hosts_of_azure_tell_blobs_from_cosmos() {
    for url in ["https://acct.blob.core.windows.net/leases", "https://acct.blob.core.usgovcloudapi.net/leases"] {
        assert!(read::<Container>(url) == Container { url: url.to_owned(), server: Server::Azure, form: Form::Lease });
    }
    for path in ["workers/leaders/", "dbs/workers/colls/leaders"] {
        let expected = Documents {
            endpoint: "https://acct.documents.azure.com:443".to_owned(),
            database: "workers".to_owned(),
            container: "leaders".to_owned(),
        };
        assert!(read::<Documents>(&format!("https://acct.documents.azure.com:443/{path}")) == expected);
    }
}

#[test]
fn emulators_are_told_by_account_or_port_and_else_by_the_scheme() {
    for url in [
        "http://127.0.0.1:10000/devstoreaccount1/leases",
        "http://localhost:4711/devstoreaccount1/leases",
        "blob+http://127.0.0.1:4711/another/leases",
        "https://[::1]:10000/devstoreaccount1/leases",
    ] {
        assert_eq!(read::<Container>(url).server, Server::Emulator, "{url}");
    }
    for url in ["http://127.0.0.1:8081/workers/leaders", "cosmos+http://127.0.0.1:4711/workers/leaders"] {
        assert_eq!(read::<Documents>(url).database, "workers", "{url}");
    }
    let elsewhere = read::<Container>("emulator+http://azurite:10000/devstoreaccount1/leases");
    assert_eq!(elsewhere.server, Server::EmulatorElsewhere);
    for url in ["http://127.0.0.1:4711/workers/leaders", "https://leases.example.com/a/b"] {
        let refusal = refusal(url);
        assert!(refusal.contains("blob+") && refusal.contains("cosmos+"), "{refusal}");
    }
}

#[test]
fn a_namespace_stands_alone_and_may_be_the_pods_own() {
    for url in ["kube:prod", "kube:", "KUBE:team-7"] {
        assert_eq!(shown(url), url.to_ascii_lowercase());
    }
    for url in ["kube://prod", "kube:prod/billing", "kube:Prod", "kube:https://10.0.0.1:443"] {
        assert!(refusal(url).contains("kube:NAMESPACE"), "{url}");
    }
}

#[test]
fn anything_else_is_refused_in_a_sentence_that_names_what_would_do() {
    for url in ["", "leases", "/var/lib/leases", "gopher://127.0.0.1/0", "ftp://a/b", "s3+https://a/b", "acct:443/a"] {
        let refusal = refusal(url);
        let examples = ["file:/directory", "https://ACCOUNT.blob.", "https://ACCOUNT.documents."];
        assert!(examples.iter().all(|example| refusal.contains(example)), "{url}: {refusal}");
    }
    let account = "https://acct.documents.azure.com";
    for url in [account.to_owned(), format!("{account}/a/b/c"), format!("{account}/dbs/a/colls/b/docs/c")] {
        let url = url.as_str();
        assert!(refusal(url).contains("DATABASE/CONTAINER"), "{url}");
    }
}

#[test]
fn what_people_write_instead_is_taken_or_answered_with_the_next_step() {
    for url in ["HTTPS://acct.Blob.core.windows.net/leases", " https://acct.blob.core.windows.net/leases/ "] {
        assert_eq!(shown(url), "https://acct.blob.core.windows.net/leases", "{url}");
    }
    let blob = "https://acct.blob.core.windows.net";
    for (url, step) in [
        (format!("{blob}/leases?sp=rcw"), "in quotes"),
        (format!("{blob}/leases?sp=rcw&sv=2025"), "sig="),
        (format!("{blob}/leases&sv=1&sig=SECRET"), "`?`"),
        (format!("{blob}/UPPER"), "lower-case"),
        ("https://acct-secondary.blob.core.windows.net/leases".to_owned(), "without -secondary"),
        ("https://acct-secondary.documents.azure.com/a/b".to_owned(), "without -secondary"),
        ("https://acct.dfs.core.windows.net/leases".to_owned(), ".blob."),
        ("blob+https://acct.dfs.core.windows.net/leases".to_owned(), ".blob."),
        ("https://acct.file.core.windows.net/leases".to_owned(), ".blob."),
        ("https://portal.azure.com/#@tenant/resource".to_owned(), "fragment"),
        ("https://portal.azure.com/leases".to_owned(), "portal"),
        ("http://azurite:10000/devstoreaccount1/leases".to_owned(), "blob+http"),
        ("blob+http://azurite:10000/devstoreaccount1/leases".to_owned(), "emulator+http://"),
        ("emulator+http://azurite:10000/leases".to_owned(), "devstoreaccount1"),
    ] {
        assert!(refusal(&url).contains(step), "{url}: {}", refusal(&url));
    }
}

#[test]
fn a_document_in_a_blob_is_asked_for_by_the_scheme() {
    for (url, server) in [
        ("blob-document+https://acct.blob.core.windows.net/leaders", Server::Azure),
        ("blob-document+http://127.0.0.1:10000/devstoreaccount1/leaders", Server::Emulator),
        ("blob-document+emulator+http://azurite:10000/devstoreaccount1/leaders", Server::EmulatorElsewhere),
    ] {
        let container: Container = read(url);
        assert_eq!((container.form, container.server), (Form::Document, server), "{url}");
        let is_told = shown(url).starts_with("blob-document+");
        assert!(is_told, "it is another place than the lease's");
    }
}

#[cfg(feature = "etcd")]
#[test]
fn a_cluster_of_etcd_is_named_by_its_members_and_opens() {
    assert_eq!(shown("ETCD://Etcd-0:2379;etcd-1/billing/"), "etcd://etcd-0:2379;etcd-1:2379/billing");
    for url in ["etcd:", "etcd://", "etcd://root:SECRET@etcd", "etcd://etcd,SECRET", "etcd://etcd?SECRET"] {
        assert!(refusal(url).contains("etcd://HOST:PORT") && !refusal(url).contains("SECRET"), "{url}");
    }
    let etcd = leader_election_etcd::EtcdOptions {
        user: Some("worker".to_owned()),
        password: Some("SECRET".to_owned()),
        ..Default::default()
    };
    let options = StoreOptions { etcd, ..StoreOptions::default() };
    assert!(!format!("{options:?}").contains("SECRET"));
    let store = Store::from_url("etcd://127.0.0.1:2379", "nightly", options).expect("valid");
    assert!(store.election() == "nightly" && store.operator().is_some());
    assert!(!format!("{store} {store:?}").contains("SECRET"));
}

#[cfg(not(feature = "etcd"))]
#[test]
fn etcd_that_was_left_out_is_named_with_its_feature() {
    let refused = Store::from_url("etcd://root:SECRET@etcd:2379", "nightly", StoreOptions::default());
    let refused = refused.expect_err("left out").to_string();
    assert!(refused.contains("feature `etcd`") && !refused.contains("SECRET"), "{refused}");
}

#[test]
fn a_connection_string_is_recognised_and_never_shown() {
    for (text, step) in [
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET==;EndpointSuffix=core.windows.net",
            "StoreOptions::credential",
        ),
        ("BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=SECRET", "CONTAINER?"),
        ("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey=SECRET==;", "StoreOptions::cosmos_key"),
        (
            "a.westeurope.redis.azure.net:10000,password=SECRET=,ssl=True,abortConnect=False",
            "StoreOptions::redis_password",
        ),
        ("UseDevelopmentStorage=true", "devstoreaccount1"),
        ("https://a.blob.core.windows.net/leases;accountkey=SECRET", "StoreOptions::credential"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(step) && refusal.contains("URL") && !refusal.contains("SECRET"), "{refusal}");
    }
}

#[test]
fn a_queue_of_service_bus_is_named_by_its_url_and_its_connection_string_stands_apart() {
    let queue = read::<super::service_bus::Sessions>("SB://NS.servicebus.windows.net/elections/");
    assert_eq!(queue.url, "sb://ns.servicebus.windows.net/elections");
    for url in
        ["sb://ns.servicebus.windows.net", "sb://ns.servicebus.windows.net/q?SECRET", "sb:SECRET", "sb://u:SECRET@ns/q"]
    {
        let refusal = refusal(url);
        assert!(refusal.contains("sb://NAMESPACE") && !refusal.contains("SECRET"), "{refusal}");
    }
    let refusal = refusal("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=SECRET");
    assert!(
        refusal.contains("StoreOptions::service_bus_connection_string") && !refusal.contains("SECRET"),
        "{refusal}"
    );
}

#[test]
fn no_signature_or_key_is_shown() {
    let signed: StoreUrl = "https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET".parse().expect("valid");
    assert_eq!(signed.to_string(), "https://acct.blob.core.windows.net/leases");
    assert!(!format!("{signed:?} {}", signed.identity()).contains("SECRET"));
    for url in [
        "https://example.com/leases?sig=SECRET",
        "https://acct.documents.azure.com/a/b?key=SECRET",
        "acct.blob.core.windows.net/leases?sig=SECRET",
        "https://user:SECRET@example.com/leases",
        "SECRET://example.com/leases",
        "https://acct.blob.core.windows.net/leases#SECRET",
        "https://acct.blob.core.windows.net/SECRET+/=",
        "SECRET",
        "SECRET:SECRET",
    ] {
        assert!(!refusal(url).contains("SECRET"), "{url}");
    }
}

#[cfg(not(feature = "blob"))]
#[test]
fn a_store_that_was_left_out_is_named_with_its_feature() {
    let url = "https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET";
    let refusal = Store::from_url(url, "nightly", StoreOptions::default()).expect_err("left out").to_string();
    assert!(refusal.contains("feature `blob`") && !refusal.contains("SECRET"), "{refusal}");
}

#[cfg(all(feature = "blob", feature = "cosmos"))]
mod opened {
    use super::*;

    const BLOBS: &str = "https://acct.blob.core.windows.net/leases";
    const COSMOS: &str = "https://acct.documents.azure.com/workers/leaders";

    fn with_key(key: &str) -> StoreOptions {
        StoreOptions { cosmos_key: Some(key.to_owned().into()), ..StoreOptions::default() }
    }

    #[test]
    fn what_takes_a_credential_says_how_to_give_it() {
        for (url, way) in [(BLOBS, "?SIGNATURE"), (COSMOS, "StoreOptions::cosmos_key")] {
            let options = StoreOptions::default();
            assert!(url.parse::<StoreUrl>().expect("valid").needs_credential(&options), "{url}");
            let refusal = Store::from_url(url, "nightly", options).expect_err("no credential");
            assert_eq!(refusal.kind(), ErrorKind::InvalidSetting);
            let refusal = refusal.to_string();
            assert!(refusal.contains("StoreOptions::credential") && refusal.contains(way), "{refusal}");
        }
    }

    #[test]
    fn what_takes_none_opens_without() {
        let directory = "file:/var/lib/leases";
        let emulator = "http://127.0.0.1:10000/devstoreaccount1/leases";
        let signed = format!("{BLOBS}?sv=1&sig=SECRET");
        for (url, options) in [
            (directory, StoreOptions::default()),
            (emulator, StoreOptions::default()),
            (&signed, StoreOptions { create: true, ..StoreOptions::default() }),
            (COSMOS, StoreOptions { create: true, ..with_key("a2V5\n") }),
        ] {
            assert!(!url.parse::<StoreUrl>().expect("valid").needs_credential(&options), "{url}");
            let store = Store::from_url(url, "nightly", options).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(store.election(), "nightly");
            assert!(!format!("{store} {store:?}").contains("SECRET"));
        }
    }

    #[test]
    fn a_connection_string_as_the_key_is_refused_and_never_shown() {
        let options = with_key("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey=SECRET==;");
        assert!(!format!("{options:?}").contains("SECRET"));
        let refusal = Store::from_url(COSMOS, "nightly", options).expect_err("no key").to_string();
        assert!(refusal.contains("is a connection string") && !refusal.contains("SECRET"), "{refusal}");
    }

    #[test]
    fn the_store_behind_it_is_asked_for_all_that_it_offers() {
        let store = Store::from_url("file:/var/lib/leases", "nightly", StoreOptions::default()).expect("valid");
        assert!(store.operator().is_some());
        assert!(store.check_lease(Duration::from_secs(7200)).is_err(), "an hour is the longest");
    }
}

#[tokio::test]
async fn elections_of_a_place_are_listed_and_nothing_is_created_by_that() {
    let directory = tempfile::tempdir().expect("a directory");
    let url: StoreUrl = format!("file:{}", directory.path().display()).parse().expect("valid");
    assert_eq!(url.elections(StoreOptions::default()).await.expect("listed"), [""; 0]);
    for election in ["nightly", "billing"] {
        let store = url.open(election, StoreOptions::default()).expect("valid");
        let claim = Claim::new(leader_election::HolderId::generate(), Duration::from_secs(3));
        store.try_acquire((&claim).into()).await.expect("an answer");
    }
    assert_eq!(url.elections(StoreOptions::default()).await.expect("listed"), ["billing", "nightly"]);
}
