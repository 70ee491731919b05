//! The planted traces, in the order of the rules.

use testkit::{Answer, Event, Rule, What};

use crate::Case;
use crate::steps::*;

pub fn all() -> Vec<Case> {
    [leading(), sequence(), claims(), deadlines(), pace(), ends(), fence()].into_iter().flatten().collect()
}

fn case(rule: Rule, fault: &'static str, before: Vec<Event>, wrong: Vec<Event>, near: Vec<Event>) -> Case {
    Case { rule, fault, before, wrong, near }
}

fn then(mut before: Vec<Event>, more: impl IntoIterator<Item = Event>) -> Vec<Event> {
    before.extend(more);
    before
}

fn leading() -> Vec<Case> {
    let led = || leads(0.0, A, 1, 7);
    // The store has granted the other one while the first still led: only its validity is looked at here.
    let unseen = |token| vec![task_starts(1.0, B, token)];
    let write_off = || vec![at(0.5, A, What::Broken { claim: 1 })];
    vec![
        case(
            Rule::OneLeader,
            "two lead at once",
            then(led(), unseen(8)),
            vec![valid(1.0, B, 15.0)],
            vec![at(1.0, A, What::Invalid), valid(1.0, B, 15.0)],
        ),
        case(
            Rule::OneLeader,
            "another is granted the lease while one leads",
            led(),
            vec![at(10.0, B, What::Granted { claim: 2, until: None })],
            then(write_off(), [at(10.0, B, What::Granted { claim: 2, until: None })]),
        ),
        case(
            Rule::TokensRise,
            "a task starts with an older token",
            led(),
            vec![task_starts(1.0, B, 6)],
            vec![task_starts(1.0, B, 8)],
        ),
        case(
            Rule::TokensRise,
            "a store that forgets hands a token out that was used",
            then(led(), [at(0.5, A, What::Forgets)]),
            vec![task_starts(1.0, B, 7)],
            vec![task_starts(1.0, B, 6)],
        ),
        case(
            Rule::CountedFromTheRequest,
            "validity counts from the answer of a renewal",
            then(led(), renews(5.0, A, 1)[..3].to_vec()),
            vec![valid(5.1, A, 19.1)],
            vec![valid(5.1, A, 19.0)],
        ),
        case(
            Rule::Covered,
            "a leader is valid for longer than the store keeps its lease",
            then(
                led(),
                [
                    sent(5.0, A, RENEW, 1),
                    at(5.0, A, What::Granted { claim: 1, until: Some(secs(18.0)) }),
                    answered(5.1, A, 5, Answer::Renewed),
                ],
            ),
            vec![valid(5.1, A, 19.0)],
            vec![valid(5.1, A, 18.0)],
        ),
        case(
            Rule::Revoked,
            "a leader is valid after it was told that its lease is lost",
            then(led(), [sent(5.0, A, RENEW, 1), answered(5.1, A, 5, Answer::Lost), cancelled(5.1, A, "lease_lost")]),
            vec![look(5.1)],
            vec![at(5.1, A, What::Invalid), look(5.1)],
        ),
        case(
            Rule::Revoked,
            "a leader is valid though its task is gone",
            then(led(), [at(3.0, A, What::TaskGone), cancelled_quietly(3.0), sent(3.0, A, RELEASE, 1)]),
            vec![look(3.1)],
            vec![at(3.1, A, What::Invalid), look(3.1)],
        ),
        case(
            Rule::SomebodyLeads,
            "nobody leads when somebody has to",
            led(),
            vec![at(1.0, A, What::Invalid), at(1.0, B, What::SomebodyHasToLead)],
            vec![at(1.0, B, What::SomebodyHasToLead)],
        ),
    ]
}

fn cancelled_quietly(seconds: f64) -> Event {
    at(seconds, A, What::Cancelled { reason: None })
}

fn sequence() -> Vec<Case> {
    let led = || leads(0.0, A, 1, 7);
    let lost = || then(led(), [sent(5.0, A, RENEW, 1), answered(5.1, A, 5, Answer::Lost), at(5.1, A, What::Invalid)]);
    let told = || then(led(), [at(2.0, A, What::ToldToStop { dropped: false })]);
    vec![
        case(
            Rule::CancelledThenAborted,
            "a task is aborted that was not cancelled",
            led(),
            vec![at(2.0, A, What::Aborted)],
            vec![cancelled_quietly(2.0), at(2.0, A, What::Aborted)],
        ),
        case(
            Rule::CancelledThenAborted,
            "a task is cancelled twice",
            then(told(), [cancelled(2.0, A, "shutdown")]),
            vec![cancelled(3.0, A, "shutdown")],
            vec![at(3.0, A, What::Aborted)],
        ),
        case(
            Rule::CancelledThenAborted,
            "an overrun of a task that was not aborted",
            then(told(), [cancelled(2.0, A, "shutdown")]),
            vec![at(14.0, A, What::Overrun { token: 7 })],
            vec![at(14.0, A, What::Aborted), at(14.0, A, What::Overrun { token: 7 })],
        ),
        case(
            Rule::ReleasedLast,
            "the lease is released while the task drains",
            then(told(), [cancelled(2.0, A, "shutdown")]),
            vec![sent(3.0, A, RELEASE, 1)],
            vec![at(3.0, A, What::Invalid), at(3.0, A, What::TaskGone), sent(3.0, A, RELEASE, 1)],
        ),
        case(
            Rule::OneTask,
            "a second task starts beside the first",
            led(),
            vec![task_starts(1.0, A, 8)],
            vec![task_starts(1.0, B, 8)],
        ),
        case(
            Rule::OneTask,
            "the lease is asked for while a task of an earlier term runs",
            led(),
            vec![sent(20.0, A, ACQUIRE, 2)],
            vec![starts(20.0, B), sent(20.0, B, ACQUIRE, 2)],
        ),
        case(
            Rule::OneAttempt,
            "a second request while one is in flight",
            then(led(), [sent(5.0, A, RENEW, 1)]),
            vec![sent(6.0, A, RENEW, 1)],
            vec![at(6.0, A, What::GaveUp { attempt: 5 }), sent(6.0, A, RENEW, 1)],
        ),
        case(
            Rule::OneAttempt,
            "a request is given up that is not in flight",
            then(led(), [sent(5.0, A, RENEW, 1), answered(5.5, A, 5, Answer::Renewed)]),
            vec![at(6.0, A, What::GaveUp { attempt: 5 })],
            vec![sent(10.0, A, RENEW, 1), at(13.0, A, What::GaveUp { attempt: 10 })],
        ),
        case(
            Rule::RenewsForATask,
            "a renewal after the task is gone",
            then(led(), leaves(2.0, A)),
            vec![sent(3.5, A, RENEW, 1)],
            // It has not heard of it yet.
            vec![sent(3.0, A, RENEW, 1)],
        ),
        case(
            Rule::RenewsForATask,
            "a renewal for a task that was aborted",
            then(told(), [cancelled(2.0, A, "shutdown"), at(12.0, A, What::Aborted)]),
            vec![sent(12.5, A, RENEW, 1)],
            vec![at(13.0, A, What::TaskGone)],
        ),
        case(
            Rule::TrueReason,
            "a lease is said to be lost by a leader that was told of no loss",
            then(led(), [sent(5.0, A, RENEW, 1), answered(5.1, A, 5, Answer::Failed), at(5.1, A, What::Invalid)]),
            vec![cancelled(5.1, A, "lease_lost")],
            vec![],
        ),
        case(
            Rule::TrueReason,
            "renewals are said to have failed for too long before they have",
            led(),
            vec![cancelled(10.5, A, "renewal_timed_out")],
            vec![cancelled(11.0, A, "renewal_timed_out")],
        ),
        case(
            Rule::TrueReason,
            "a loss is said to be a shutdown",
            lost(),
            vec![cancelled(5.1, A, "shutdown")],
            vec![cancelled(5.1, A, "lease_lost")],
        ),
    ]
}

fn claims() -> Vec<Case> {
    let left = || then(leads(0.0, A, 1, 7), leaves(2.0, A));
    let released = || then(left(), [sent(3.0, A, RELEASE, 1), answered(3.5, A, 3, Answer::Released)]);
    let failed = || vec![starts(0.0, A), sent(0.0, A, ACQUIRE, 1), answered(0.1, A, 0, Answer::Failed)];
    let unanswered = || vec![starts(0.0, A), sent(0.0, A, ACQUIRE, 1), at(3.0, A, What::GaveUp { attempt: 0 })];
    let refused = || vec![starts(0.0, A), sent(0.0, A, ACQUIRE, 1), answered(0.1, A, 0, Answer::Held)];
    let jump = |by, plain| at(1.0, A, What::ClockJumps { by: secs(by), plain });
    vec![
        case(
            Rule::StaysEnded,
            "the next term has the claim of the last",
            released(),
            vec![sent(9.0, A, ACQUIRE, 1)],
            vec![sent(9.0, A, ACQUIRE, 2)],
        ),
        case(
            Rule::StaysEnded,
            "a term is valid again that was not",
            then(leads(0.0, A, 1, 7), [at(2.0, A, What::Invalid)]),
            vec![valid(3.0, A, 14.0)],
            vec![],
        ),
        case(
            Rule::StaysEnded,
            "another claim is renewed than the one that was granted",
            leads(0.0, A, 1, 7),
            vec![sent(5.0, A, RENEW, 2)],
            vec![sent(5.0, A, RENEW, 1)],
        ),
        case(
            Rule::Settled,
            "nobody says that an earlier attempt has no known outcome",
            failed(),
            vec![sent(1.0, A, ACQUIRE, 1)],
            vec![unsettled(1.0, A, 1)],
        ),
        case(
            Rule::Settled,
            "a new claim before the last one is settled",
            unanswered(),
            vec![sent(4.0, A, ACQUIRE, 2)],
            vec![unsettled(4.0, A, 1)],
        ),
        case(
            Rule::Settled,
            "another claim is released than the one that was asked for",
            left(),
            vec![sent(3.0, A, RELEASE, 2)],
            vec![sent(3.0, A, RELEASE, 1)],
        ),
        case(
            Rule::Settled,
            "a run ends before an acquire of its is settled",
            then(unanswered(), [at(3.5, A, What::ToldToStop { dropped: false })]),
            vec![at(4.0, A, What::Ends)],
            vec![sent(3.6, A, RELEASE, 1), answered(3.7, A, 3, Answer::Failed), at(4.0, A, What::Ends)],
        ),
        case(
            Rule::GivenBack,
            "a term that ends leaves its lease behind",
            left(),
            vec![look(3.1)],
            vec![sent(3.0, A, RELEASE, 1), look(3.1)],
        ),
        case(
            Rule::GivenBack,
            "a grant that came too late is left behind",
            wins(0.0, A, 1, 7),
            vec![sent(0.105, A, ACQUIRE, 2)],
            vec![sent(0.105, A, RELEASE, 1)],
        ),
        case(
            Rule::Granted,
            "a task starts with another token than was granted",
            wins(0.0, A, 1, 7),
            vec![task_starts(0.1, A, 8)],
            vec![task_starts(0.1, A, 7)],
        ),
        case(
            Rule::Granted,
            "an answer to an attempt that was given up starts a task",
            vec![
                starts(0.0, A),
                sent(0.0, A, ACQUIRE, 1),
                at(3.0, A, What::GaveUp { attempt: 0 }),
                unsettled(4.0, A, 1),
            ],
            vec![answered(4.5, A, 0, grant(7)), task_starts(4.5, A, 7)],
            vec![answered(4.5, A, 4, grant(7)), task_starts(4.5, A, 7)],
        ),
        case(
            Rule::JumpChangesClaim,
            "a candidate asks after a jump under the claim of its machine's other copy",
            refused(),
            vec![jump(60.0, true), sent(1.5, A, ACQUIRE, 1)],
            vec![jump(60.0, true), sent(1.5, A, ACQUIRE, 2)],
        ),
        case(
            Rule::JumpChangesClaim,
            "a jump that it has to notice is not noticed",
            then(refused(), [jump(1.0, true)]),
            vec![sent(1.6, A, ACQUIRE, 1)],
            // Set back before, it may only be right again.
            vec![at(1.1, A, What::ClockSetBack), sent(1.6, A, ACQUIRE, 1)],
        ),
    ]
}

fn deadlines() -> Vec<Case> {
    let led = || leads(0.0, A, 1, 7);
    // It goes on asking, and gets no answer.
    let asks = || then(led(), [sent(5.0, A, RENEW, 1)]);
    let told = |seconds| [at(seconds, A, What::ToldToStop { dropped: false }), cancelled(seconds, A, "shutdown")];
    let lost = || then(asks(), [answered(5.1, A, 5, Answer::Lost), at(5.1, A, What::Invalid)]);
    let watched =
        || What::Starts { limits: Some(Box::new(testkit::Limits { heartbeat: Some(secs(4.0)), ..limits() })) };
    let beating = || {
        let mut trace = led();
        trace[0].what = watched();
        trace
    };
    vec![
        case(
            Rule::CancelledInTime,
            "a leader without an answer is not cancelled a grace before the end",
            asks(),
            vec![look(11.1)],
            vec![cancelled(11.0, A, "renewal_timed_out"), look(11.1)],
        ),
        case(
            Rule::CancelledInTime,
            "a clock that runs fast brings the end sooner",
            then(asks(), [at(5.5, A, What::Clock { shows: secs(5.5), per_mille: 1_025 })]),
            vec![look(10.9)],
            vec![look(10.8)],
        ),
        case(
            Rule::AbortedInTime,
            "a draining task is not aborted at the end of validity",
            then(asks(), [cancelled(11.0, A, "renewal_timed_out"), at(14.0, A, What::Invalid)]),
            vec![look(14.1)],
            vec![at(14.0, A, What::TaskGone), look(14.0)],
        ),
        case(
            Rule::AbortedInTime,
            "a process that stood still aborts nothing when it goes on",
            then(
                asks(),
                [
                    cancelled(11.0, A, "renewal_timed_out"),
                    at(12.0, A, What::Pauses { counted: true }),
                    at(14.0, A, What::Invalid),
                    look(30.0),
                    at(40.0, A, What::Resumes),
                ],
            ),
            vec![look(40.1)],
            vec![look(40.0)],
        ),
        case(
            Rule::RenewedWhileItRuns,
            "renewals stop when the task begins to drain",
            then(led(), told(2.0)),
            vec![look(5.1)],
            vec![sent(5.0, A, RENEW, 1), look(5.1)],
        ),
        case(
            Rule::UsedInTime,
            "a grant that came too late starts a task",
            vec![
                starts(0.0, A),
                sent(0.0, A, ACQUIRE, 1),
                at(0.0, A, What::Pauses { counted: true }),
                at(12.0, A, What::Resumes),
                answered(12.0, A, 0, grant(7)),
            ],
            vec![task_starts(12.0, A, 7)],
            vec![sent(12.0, A, RELEASE, 1)],
        ),
        case(
            Rule::LossCancels,
            "a definite loss does not cancel",
            lost(),
            vec![look(5.2)],
            vec![cancelled(5.1, A, "lease_lost"), look(5.2)],
        ),
        case(
            Rule::HeartbeatCounts,
            "a leader whose heartbeat stopped leads on",
            beating(),
            vec![look(4.2)],
            vec![at(3.0, A, What::Heartbeat), look(4.2)],
        ),
        case(
            Rule::HeartbeatCounts,
            "a leader whose heartbeat stopped is said to have renewed for too long in vain",
            beating(),
            vec![cancelled(4.1, A, "renewal_timed_out")],
            vec![at(4.1, A, What::Invalid), cancelled(4.1, A, "stalled")],
        ),
        case(
            Rule::JumpEnds,
            "a jump of the clock does not end the term",
            then(led(), [at(2.0, A, What::ClockJumps { by: secs(60.0), plain: true })]),
            vec![look(2.1)],
            vec![at(2.0, A, What::Invalid), cancelled(2.0, A, "clock_jumped"), look(2.1)],
        ),
        case(
            Rule::DrainBounded,
            "a task that was told of a loss drains for longer than a grace",
            then(lost(), [cancelled(5.1, A, "lease_lost")]),
            vec![look(8.2)],
            vec![look(8.1)],
        ),
        case(
            Rule::DrainBounded,
            "a run that was dropped lets its task drain",
            then(led(), [at(2.0, A, What::ToldToStop { dropped: true }), cancelled(2.0, A, "shutdown")]),
            vec![look(2.1)],
            vec![at(2.0, A, What::Invalid), at(2.0, A, What::TaskGone), sent(2.0, A, RELEASE, 1), look(2.1)],
        ),
    ]
}

fn pace() -> Vec<Case> {
    let refused = || {
        vec![
            starts(0.0, A),
            sent(0.0, A, ACQUIRE, 1),
            answered(0.1, A, 0, Answer::Held),
            sent(1.0, A, ACQUIRE, 1),
            answered(1.1, A, 1, Answer::Held),
        ]
    };
    let lapsed =
        |seconds| at(seconds, A, What::Sent { request: ACQUIRE, claim: 1, attempt: 9, unsettled: false, lapsed: true });
    let rests = || {
        let steps = [
            cancelled(1.0, A, "task_ended"),
            at(1.0, A, What::TermEnded { token: 7 }),
            sent(1.0, A, RELEASE, 1),
            answered(1.1, A, 1, Answer::Released),
        ];
        then(leads(0.0, A, 1, 7), [at(1.0, A, What::Invalid), at(1.0, A, What::TaskGone)].into_iter().chain(steps))
    };
    vec![
        case(
            Rule::Paced,
            "a candidate polls before it is time",
            refused(),
            vec![sent(1.8, A, ACQUIRE, 1)],
            vec![sent(2.0, A, ACQUIRE, 1)],
        ),
        case(
            Rule::Paced,
            "a version that has lapsed is asked for at once again and again",
            then(refused(), [lapsed(1.5), answered(1.5, A, 9, Answer::Held)]),
            vec![lapsed(1.6)],
            vec![lapsed(2.5)],
        ),
        case(
            Rule::Paced,
            "a worker contends again without its rest",
            rests(),
            vec![sent(2.5, A, ACQUIRE, 2)],
            vec![sent(3.0, A, ACQUIRE, 2)],
        ),
        case(
            Rule::Paced,
            "renewals follow one another at once",
            then(leads(0.0, A, 1, 7), renews(5.0, A, 1)),
            vec![sent(5.3, A, RENEW, 1)],
            vec![sent(10.0, A, RENEW, 1)],
        ),
        case(Rule::Contends, "a candidate does not ask any more", refused(), vec![look(21.0)], vec![look(19.0)]),
    ]
}

fn ends() -> Vec<Case> {
    let led = || leads(0.0, A, 1, 7);
    let refused = || vec![starts(0.0, A), sent(0.0, A, ACQUIRE, 1), answered(0.1, A, 0, Answer::Held)];
    let told = || then(refused(), [at(0.2, A, What::ToldToStop { dropped: false })]);
    let left = || then(led(), leaves(2.0, A));
    vec![
        case(Rule::StopsInTime, "a run goes on though it was told to end", told(), vec![look(21.0)], vec![look(19.0)]),
        case(
            Rule::StopsInTime,
            "a run ends while its task runs",
            led(),
            vec![at(2.0, A, What::Ends)],
            vec![
                at(2.0, A, What::TermEnded { token: 7 }),
                at(2.0, A, What::TaskGone),
                sent(2.0, A, RELEASE, 1),
                at(2.1, A, What::GaveUp { attempt: 2 }),
                at(2.1, A, What::Ends),
            ],
        ),
        case(
            Rule::StopsInTime,
            "a leader that was asked to step down leads on",
            then(led(), [at(2.0, A, What::AskedToLeave)]),
            vec![look(2.1)],
            vec![cancelled(2.0, A, "stepped_down"), look(2.1)],
        ),
        case(
            Rule::StopsInTime,
            "a task is gone, and what hangs on its token goes on",
            then(led(), [at(2.0, A, What::Invalid), at(2.0, A, What::TaskGone), sent(2.0, A, RELEASE, 1)]),
            vec![look(2.1)],
            vec![cancelled(2.0, A, "task_ended"), look(2.1)],
        ),
        case(
            Rule::NothingAfterTheEnd,
            "a request after the run is over",
            then(told(), [at(0.3, A, What::Ends)]),
            vec![sent(1.0, A, ACQUIRE, 1)],
            vec![starts(1.0, A), sent(1.0, A, ACQUIRE, 1)],
        ),
        case(
            Rule::Alternates,
            "the end of a term is told twice",
            then(left(), [at(3.0, A, What::TermEnded { token: 7 })]),
            vec![at(3.0, A, What::TermEnded { token: 7 })],
            vec![at(3.1, A, What::Elected { token: 8 }), at(3.2, A, What::TermEnded { token: 8 })],
        ),
        case(
            Rule::Alternates,
            "a run ends, and nobody is told that its term has",
            then(left(), [sent(3.0, A, RELEASE, 1), answered(3.1, A, 3, Answer::Released)]),
            vec![at(3.2, A, What::Ends)],
            vec![at(3.2, A, What::TermEnded { token: 7 }), at(3.2, A, What::Ends)],
        ),
    ]
}

fn fence() -> Vec<Case> {
    let write = |seconds, token, write, read: &[u32], sent| {
        at(seconds, token as u32, What::Write { token, write, read: read.to_vec(), sent: secs(sent), accepted: true })
    };
    let refused = |seconds, token, number| {
        let what = What::Write { token, write: Some(number), read: vec![], sent: secs(seconds), accepted: false };
        at(seconds, token as u32, what)
    };
    vec![
        case(
            Rule::FenceHolds,
            "an older leader's write after a newer one has raised the fence",
            vec![write(1.0, 2, None, &[], 0.5)],
            vec![write(2.0, 1, Some(1), &[], 1.5)],
            vec![refused(2.0, 1, 1)],
        ),
        case(
            Rule::FenceHolds,
            "a newer leader writes over what it has not read",
            vec![write(1.0, 1, Some(1), &[], 0.5)],
            vec![write(2.0, 2, Some(2), &[], 1.5)],
            vec![write(2.0, 2, Some(2), &[1], 1.5)],
        ),
        case(
            Rule::FenceHolds,
            "of two writes at once the older one is carried out last",
            vec![write(2.0, 2, Some(2), &[], 1.0)],
            vec![write(2.5, 1, Some(1), &[], 1.5)],
            vec![refused(2.5, 1, 1)],
        ),
    ]
}
