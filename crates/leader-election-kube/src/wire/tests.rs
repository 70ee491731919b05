use std::time::SystemTime;

use super::*;

fn at() -> KubernetesObject {
    KubernetesObject::lease("prod", "billing").expect("valid")
}

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("valid")
}

fn time(ms: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}

fn record(holder: &str, number: u64, renewed_at: u64) -> Record {
    Record::new(token(number), "b9c0f3", "4f1a")
        .with_holder(Some(HolderId::new(holder).expect("valid")))
        .with_lease(Duration::from_secs(15))
        .with_renew_every(Duration::from_secs(5))
        .with_elected_at(time(1_000_000))
        .with_renewed_at(time(renewed_at))
}

/// As the server answers a write: with a version and a uid.
fn stored(mut object: Object) -> Object {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("uid".to_owned(), "u-1".into());
        metadata.insert("resourceVersion".to_owned(), "7".into());
    }
    object
}

fn held() -> Object {
    let unheld = Record::new(token(1), "", "0");
    stored(replaced(stored(new(&at(), &unheld)), &unheld, &record("worker-7", 41, 1_000_000)))
}

fn spec(object: &Object) -> &Object {
    object["spec"].as_object().expect("a spec")
}

#[test]
fn what_was_written_is_read_and_what_others_have_put_there_is_sent_back() {
    let unheld = Record::new(token(1), "", "0");
    let mut created = stored(new(&at(), &unheld));
    assert_eq!(read(&at(), created.clone()).expect("readable").record, unheld);
    created["metadata"]["labels"] = json!({"team": "billing"});
    created["metadata"]["managedFields"] = json!([{"manager": "other"}]);
    created["spec"]["ofANewerVersion"] = json!(true);
    let written = replaced(created, &unheld, &record("worker-7", 41, 1_000_123));
    assert_eq!(written["metadata"]["labels"]["team"], "billing");
    assert_eq!((&written["metadata"]["uid"], &written["metadata"]["resourceVersion"]), (&json!("u-1"), &json!("7")));
    assert_eq!(written["metadata"].get("managedFields"), None);
    assert_eq!(
        Value::from(spec(&written).clone()),
        json!({
            "holderIdentity": "worker-7", "leaseDurationSeconds": 15, "leaseTransitions": 1, "ofANewerVersion": true,
            "acquireTime": "1970-01-01T00:16:40.000000Z", "renewTime": "1970-01-01T00:16:40.123000Z",
        })
    );
    let read = read(&at(), stored(written)).expect("readable");
    assert_eq!((read.record, read.version.as_str()), (record("worker-7", 41, 1_000_123), "7"));
}

#[test]
fn each_renewal_is_in_a_later_second_and_a_break_is_no_sign_of_life() {
    let before = record("worker-7", 41, 1_000_000);
    let renewal = record("worker-7", 41, 1_000_300).with_renewals(1);
    let renewed = replaced(held(), &before, &renewal);
    assert_eq!(spec(&renewed)["renewTime"], "1970-01-01T00:16:41.000000Z", "the whole second differs");
    assert_eq!(spec(&renewed)["leaseTransitions"], 1);
    let again = replaced(stored(renewed), &renewal, &record("worker-7", 41, 1_000_600).with_renewals(2));
    assert_eq!(spec(&again)["renewTime"], "1970-01-01T00:16:42.000000Z", "and from the one that stands there");
    let broken = replaced(
        held(),
        &before,
        &Record::new(token(41), "broken", "9").with_holder(before.holder.clone()).with_lease(before.lease),
    );
    assert_eq!(spec(&broken), spec(&held()));
}

#[test]
fn a_release_has_client_gos_form_and_keeps_what_we_know_of_the_last_leader() {
    let before = record("worker-7", 41, 1_000_000);
    let released = before.clone().with_holder(None).with_previous(before.holder.clone());
    let object = stored(replaced(held(), &before, &released));
    assert_eq!((&spec(&object)["holderIdentity"], &spec(&object)["leaseDurationSeconds"]), (&json!(""), &json!(1)));
    assert_eq!(read(&at(), object.clone()).expect("readable").record, released);
    // The next term, of the same worker and in the same second, differs for client-go.
    let next = replaced(object, &released, &record("worker-7", 42, 1_000_000));
    assert_eq!(spec(&next)["leaseTransitions"], 2);
}

#[test]
fn who_wrote_since_leads_even_under_our_own_name_and_our_token_goes_on() {
    let mut object = held();
    object["spec"]["renewTime"] = json!("1970-01-01T00:16:50.000000Z");
    let foreign = read(&at(), object.clone()).expect("readable").record;
    assert_eq!((foreign.claim.as_str(), foreign.write.as_str(), foreign.fencing_token), ("", "", token(41)));
    assert_eq!(foreign.holder, record("worker-7", 41, 0).holder);
    object["spec"]["holderIdentity"] = json!("");
    assert_eq!(read(&at(), object.clone()).expect("readable").record.holder, None, "released by a Go worker");
    object["spec"] = Value::Null;
    assert_eq!(read(&at(), object.clone()).expect("readable").record.holder, None);
    object["metadata"]["annotations"] = Value::Null;
    assert_eq!(read(&at(), object).expect("readable").record.fencing_token, token(1), "as a manifest ships it");
}

#[test]
fn a_foreign_holder_may_have_any_name() {
    let name = |text: &str| cleaned(text).map(|holder| holder.as_str().to_owned());
    assert_eq!(name("host_1b2c"), Some("host_1b2c".to_owned()));
    assert_eq!(name("Größe\n"), Some("Gr__e_".to_owned()));
    assert_eq!(name(&"x".repeat(2_000)).map(|name| name.len()), Some(128));
    assert_eq!(name("   "), Some("_".to_owned()));
    assert_eq!(name(""), None);
}

#[test]
fn the_count_of_terms_stops_where_the_server_would_refuse_more() {
    let mut object = held();
    for (stands, follows) in
        [(json!(i64::from(i32::MAX) - 1), i32::MAX), (json!(i32::MAX), i32::MAX), (json!(-5), 1), (Value::Null, 1)]
    {
        object["spec"]["leaseTransitions"] = stands;
        let next = replaced(object.clone(), &record("a", 41, 1_000_000), &record("b", 42, 1_000_000));
        assert_eq!(spec(&next)["leaseTransitions"], follows);
    }
    object["spec"]["leaseTransitions"] = json!(i32::MAX);
    let next = replaced(object, &record("a", 41, 1_000_000), &record("b", 42, 1_000_000));
    assert_eq!(spec(&next)["renewTime"], "1970-01-01T00:16:41.000000Z", "then the time alone tells of a new term");
}

#[test]
fn invariant_14_whatever_cannot_be_understood_is_an_error_and_a_coordinated_lease_is_refused() {
    let refusal = |change: &dyn Fn(&mut Object)| {
        let mut object = held();
        change(&mut object);
        read(&at(), object).expect_err("must be refused")
    };
    let annotation = |text: &str| {
        let text = text.to_owned();
        refusal(&move |object| object["metadata"]["annotations"][RECORD] = text.clone().into())
    };
    let ours = held()["metadata"]["annotations"][RECORD].as_str().expect("a text").to_owned();
    for error in [
        annotation("garbage"),
        annotation("{}"),
        annotation(&ours.replace("41", "-1")),
        annotation(&ours.replace("\"holder\": \"worker-7\"", "\"holder\": \"another\"")),
        annotation(&ours.replace("15000", "16000")),
        refusal(&|object| object["metadata"]["resourceVersion"] = Value::Null),
        refusal(&|object| object["metadata"]["uid"] = json!("")),
        refusal(&|object| object["spec"] = json!("text")),
        refusal(&|object| object["spec"]["leaseDurationSeconds"] = Value::Null),
        refusal(&|object| object["spec"]["leaseDurationSeconds"] = json!(3_601)),
        refusal(&|object| object["spec"]["leaseDurationSeconds"] = json!(-1)),
    ] {
        assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{error}");
        assert!(error.to_string().contains("billing"), "{error}");
    }
    let coordinated = refusal(&|object| object["spec"]["strategy"] = json!("OldestEmulationVersion"));
    assert_eq!(coordinated.kind(), ErrorKind::Refused);
    assert!(coordinated.to_string().contains("spec.strategy"), "{coordinated}");
}
