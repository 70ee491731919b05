//! A document store that holds any record, and answers with any conflict.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use futures::executor::block_on;
use leader_election::document::{DocumentMutex, DocumentStore, Record, Stored, Written};
use leader_election::{
    Acquire, AcquireRequest, Claim, ClaimId, DistributedMutex, ErrorKind, FencingToken, HolderId, Renew, Result,
    Version, async_trait,
};
use proptest::prelude::*;

use crate::config;
use crate::input::Input;

/// One record in memory. Each write uses up a fate: carried out, carried out but answered as a conflict, or not carried out.
#[derive(Debug, Default)]
struct Store {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    record: Option<Record>,
    server_ms: Option<u64>,
    fates: Vec<u8>,
}

impl Store {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    fn put(&self, record: &Record) -> Written {
        let mut state = self.state();
        let fate = state.fates.pop().unwrap_or_default();
        if fate % 8 == 7 {
            return Written::Conflict;
        }
        state.version += 1;
        state.record = Some(record.clone());
        if fate % 8 == 6 { Written::Conflict } else { Written::Done(version(state.version)) }
    }
}

fn version(number: u64) -> Version {
    Version::new(number.to_string()).expect("valid")
}

#[async_trait]
impl DocumentStore for Store {
    type Rest = ();

    async fn read(&self) -> Result<Option<Stored<()>>> {
        let state = self.state();
        let stored = |record| Stored::new(version(state.version), record).with_server_ms(state.server_ms);
        Ok(state.record.clone().map(stored))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        if self.state().record.is_some() { Ok(Written::Conflict) } else { Ok(self.put(record)) }
    }

    async fn replace(&self, seen: &Stored<()>, record: &Record) -> Result<Written> {
        let state = self.state();
        let current = state.record.is_some() && version(state.version) == seen.version;
        drop(state);
        Ok(if current { self.put(record) } else { Written::Conflict })
    }
}

fn record(input: &mut Input, claims: &[Claim]) -> Record {
    let hour = Duration::from_secs(3_600);
    let when = |input: &mut Input| SystemTime::UNIX_EPOCH.checked_add(input.duration(hour));
    let name = |input: &mut Input| (!input.one_in(3)).then(|| HolderId::new("somebody").expect("valid"));
    let own = claims.get(usize::from(input.byte() % 4)).map(|claim| claim.id.fingerprint());
    let (holder, previous) = (name(input), name(input));
    let claim = own.unwrap_or_else(|| "a stranger's".repeat(usize::from(input.byte() % 3)));
    let write = input.byte().to_string();
    Record::new(input.token(), claim, write)
        .with_holder(holder)
        .with_previous(previous)
        .with_lease(input.duration(hour))
        .with_renew_every(input.duration(hour))
        .with_renewals(input.pick(&[0, 1, u64::MAX]))
        .with_elected_at(when(input))
        .with_renewed_at(when(input))
}

fn claim(id: u128) -> Claim {
    let mut claim = Claim::new(HolderId::new(format!("worker-{id}")).expect("valid"), Duration::from_secs(15));
    claim.id = ClaimId::from_u128(id);
    claim
}

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let claims = [1, 2].map(claim);
    let mutex = DocumentMutex::new(Store::default());
    while !input.is_empty() {
        let claim = &claims[usize::from(input.byte() % 2)];
        let before = mutex.store().state().record.clone();
        let is_foreign = |record: &Record| record.holder.is_some() && record.claim != claim.id.fingerprint();
        let foreign = before.as_ref().is_some_and(is_foreign);
        let mut lapsed = None;
        match input.byte() % 8 {
            0 => {
                let mut state = mutex.store().state();
                state.version += 1;
                state.record = (!input.one_in(4)).then(|| record(&mut input, &claims));
                state.server_ms = input.one_in(2).then(|| input.number());
                state.fates = (0..input.byte() % 8).map(|_| input.byte()).collect();
                continue;
            }
            operation @ 1..=4 => {
                lapsed = (operation == 1).then(|| version(mutex.store().state().version));
                match block_on(mutex.try_acquire(AcquireRequest::new(claim).with_lapsed(lapsed.as_ref()))) {
                    Ok(Acquire::Granted(grant)) => {
                        let after = mutex.store().state().record.clone().expect("written before it is granted");
                        assert_eq!((after.fencing_token, &after.claim), (grant.fencing_token, &claim.id.fingerprint()));
                        let own = before.as_ref().is_some_and(|before| before.holder.is_some() && !is_foreign(before));
                        let last = before.as_ref().map(|before| before.fencing_token);
                        assert!(if own { Some(grant.fencing_token) == last } else { Some(grant.fencing_token) > last });
                    }
                    Ok(Acquire::Held(held)) => assert!(held.version.is_none() || foreign),
                    Err(error) => {
                        let fitting = [ErrorKind::CorruptRecord, ErrorKind::Unavailable];
                        assert!(fitting.contains(&error.kind()), "{error}");
                    }
                }
            }
            5 => match block_on(mutex.renew(claim)) {
                Ok(Renew::Renewed) => {
                    let after = mutex.store().state().record.clone().expect("renewed");
                    assert_eq!(after.claim, claim.id.fingerprint(), "only the holder renews");
                }
                Ok(Renew::Lost(_)) => {}
                Err(error) => assert!(error.is_transient(), "{error}"),
            },
            6 => {
                if let Err(error) = block_on(mutex.release(claim)) {
                    assert!(error.is_transient(), "{error}");
                }
            }
            _ => {
                let seen = block_on(mutex.observe()).expect("readable");
                assert_eq!(seen.is_held(), before.as_ref().is_some_and(|record| record.holder.is_some()));
                assert_eq!(mutex.store().state().record, before, "an observation changes nothing");
            }
        }
        if foreign && lapsed.is_none() {
            assert_eq!(mutex.store().state().record, before, "what another claim holds is left alone");
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn invariant_14_whatever_record_the_store_holds_no_claim_takes_what_another_one_holds(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        run(&bytes);
    }

    #[test]
    fn tokens_rise_over_any_record(number in 1..=FencingToken::MAX, server_ms in any::<u64>()) {
        let mutex = DocumentMutex::new(Store::default());
        let claim = Claim::new(HolderId::new("worker").expect("valid"), Duration::from_secs(15));
        let token = FencingToken::new(number).expect("in range");
        let free = Record::new(token, "", "");
        *mutex.store().state() = State { record: Some(free), server_ms: Some(server_ms), ..State::default() };
        match block_on(mutex.try_acquire((&claim).into())) {
            Ok(Acquire::Granted(grant)) => {
                prop_assert!(grant.fencing_token > token && grant.fencing_token.get() >= server_ms);
            }
            Ok(Acquire::Held(held)) => panic!("nobody holds it: {held:?}"),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::CorruptRecord),
        }
    }
}
