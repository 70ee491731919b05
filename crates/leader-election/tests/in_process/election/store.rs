//! The store of the exploration: a service that keeps the port's contract to the letter, as the core hears of it.

use std::time::Duration;

use leader_election::election::{AttemptId, Event, Failure};
use leader_election::{Acquire, AcquireRequest, Claim, Renew, Result, Version};
use testkit::store::LeaseService;

use crate::election::bench::What;

/// One request on its way to the store.
#[derive(Debug, Clone)]
pub struct Request {
    pub host: usize,
    /// Which of the host's runs sent it.
    pub run: u64,
    pub attempt: AttemptId,
    pub what: What,
    pub claim: Claim,
    pub lapsed: Option<Version>,
    pub unsettled: bool,
}

/// Carries out a request in the instant in which it arrives.
pub fn serve(service: &mut LeaseService, now: Duration, request: &Request) -> Event {
    let (attempt, claim) = (request.attempt, &request.claim);
    let asked = AcquireRequest::new(claim).with_lapsed(request.lapsed.as_ref()).with_unsettled(request.unsettled);
    let event: Result<Event> = match request.what {
        What::Acquire => service.acquire(now, asked).answer.map(|answer| match answer {
            Acquire::Granted(grant) => Event::Acquired { attempt, grant },
            Acquire::Held(held) => Event::Held { attempt, held },
        }),
        What::Renew => service.renew(now, claim.id).answer.map(|answer| match answer {
            Renew::Renewed => Event::Renewed { attempt },
            Renew::Lost(_) => Event::Lost { attempt },
        }),
        What::Release => service.release(now, claim.id).answer.map(|()| Event::Released { attempt }),
    };
    event.unwrap_or(Event::Failed { attempt, failure: Failure::Unknown { retry_after: None } })
}
