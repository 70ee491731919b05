//! One attempt to be elected by a majority: what is asked of which member, and what follows from the answers.

use super::tally::{Seat, majority_of};
use crate::token::FencingToken;

/// An attempt of one claim, from the look to the outcome. It knows no member, no clock and no network: tell it what members
/// [answer](Self::hear), and ask it for the next [step](Self::step).
///
/// It is public so that the model check drives the code that ships, as it does with the [election](crate::election).
///
/// ```
/// use leader_election::quorum::{Answer, Ballot, Outcome, Sight, Step};
///
/// let mut ballot = Ballot::new(vec![false; 3], None, None);
/// assert_eq!(ballot.step(&|_| false), Step::Look);
/// for member in [0, 2] {
///     ballot.hear(member, 1, Answer::Seen(Sight { held: false, token: None }));
/// }
/// // Two of three are free, so all are asked; and two that grant one token are a majority.
/// let Step::Ask { members, .. } = ballot.step(&|_| false) else { panic!("a majority is free") };
/// assert_eq!(members, [(0, None), (1, None), (2, None)], "nobody has led yet");
/// let token = leader_election::FencingToken::new(7)?;
/// for member in [0, 2] {
///     ballot.hear(member, 2, Answer::Granted(token));
/// }
/// assert_eq!(ballot.step(&|_| false), Step::Over(Outcome::Granted(token)));
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ballot {
    phase: Phase,
    seats: Vec<Seat<Answer>>,
    /// Of the latest requests.
    round: u32,
    /// Of the caller.
    floor: Option<FencingToken>,
    /// This claim may hold members already.
    insists: bool,
    /// The token that this claim was granted before.
    own: Option<FencingToken>,
    raises: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Begins,
    Looks,
    Asks,
}

/// What a member answered, in the terms of a ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// To a look.
    Seen(Sight),
    /// It granted its lease under this token.
    Granted(FencingToken),
    /// Another claim holds it.
    Refused,
    /// It failed: whether the request was carried out is unknown.
    Failed,
}

/// What a look at a member shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Somebody holds it.
    pub held: bool,
    /// The token of the latest leader on its record.
    pub token: Option<FencingToken>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Wait for the next answer.
    Wait,
    /// Look at all members, as round 1.
    Look,
    /// Ask these members for their lease.
    Ask {
        /// Answers to these requests are of this round.
        round: u32,
        /// By their places, each with its floor: what it grants has to be above that.
        members: Vec<(usize, Option<FencingToken>)>,
    },
    /// It is over.
    Over(Outcome),
}

/// What became of a ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A majority has granted this very token.
    Granted(FencingToken),
    /// A majority has answered, and no majority can be had now.
    Held,
    /// Fewer than a majority have answered.
    Unknown,
}

/// How often a ballot asks again because the members have not granted one token. Members whose clocks run on beside the floor may never
/// agree.
const RAISES: u8 = 3;

impl Ballot {
    /// A ballot among as many members as there are flags: whether each has left its latest request without an answer, so that nobody waits for
    /// it once a majority has answered. What is granted is above the `floor`. `own`: this claim was asked for before, and was granted that token
    /// if a majority was.
    #[must_use]
    pub fn new(silent: Vec<bool>, floor: Option<FencingToken>, own: Option<Option<FencingToken>>) -> Self {
        let seats: Vec<Seat<Answer>> = silent.into_iter().map(Seat::new).collect();
        let mut ballot = Self {
            phase: Phase::Begins,
            seats,
            round: 1,
            floor,
            insists: own.is_some(),
            own: own.flatten(),
            raises: 0,
        };
        if let Some(token) = ballot.own {
            // Rule 4: it keeps its token, so no look may raise the floor above that.
            ballot.floor = below(token).max(ballot.floor);
            ballot.phase = Phase::Asks;
        }
        ballot
    }

    /// Notes the answer of a member to its request of this round. One to an earlier request is not heard, and a second one counts no more than
    /// the first.
    pub fn hear(&mut self, member: usize, round: u32, answer: Answer) {
        if let Some(seat) = self.seats.get_mut(member) {
            seat.hear(round, answer);
        }
    }

    /// What is to be done now. `lapsed`: whether a member's record has stood still for a whole lease, so that it may be replaced.
    pub fn step(&mut self, lapsed: &dyn Fn(usize) -> bool) -> Step {
        match self.phase {
            Phase::Begins => {
                self.phase = Phase::Looks;
                self.expect_all(0..self.seats.len());
                Step::Look
            }
            Phase::Looks => self.after_looks(lapsed),
            Phase::Asks if self.round == 1 => {
                self.ask((0..self.seats.len()).map(|member| (member, self.floor)).collect())
            }
            Phase::Asks => self.after_asking(),
        }
    }

    fn after_looks(&mut self, lapsed: &dyn Fn(usize) -> bool) -> Step {
        let majority = majority_of(self.seats.len());
        let is_open = |(member, seat): (usize, &Seat<Answer>)| match seat.answer() {
            Some(Answer::Seen(sight)) => Some(!sight.held || lapsed(member)),
            _ => None,
        };
        let seen: Vec<Option<bool>> = self.seats.iter().enumerate().map(is_open).collect();
        let answered = seen.iter().flatten().count();
        let open = seen.iter().flatten().filter(|open| **open).count();
        let (awaited, silent) = self.pending();
        if open >= majority || (self.insists && answered >= majority) {
            self.phase = Phase::Asks;
            // Whoever has not answered may do so now; who is held by another leader is left alone.
            let wanted = |member: &usize| self.insists || seen[*member] != Some(false);
            let members: Vec<_> =
                (0..self.seats.len()).filter(wanted).map(|member| (member, self.floor_of(member))).collect();
            return self.ask(members);
        }
        if answered >= majority && open + awaited < majority {
            // Rule 8: it changes nothing.
            return Step::Over(Outcome::Held);
        }
        if answered + awaited + silent < majority { Step::Over(Outcome::Unknown) } else { Step::Wait }
    }

    /// Above the highest token that any member has seen, so that all grant the same one.
    ///
    /// A member without a record has no floor but the caller's: its own clock, if it has one, tells a token above those that records which are gone
    /// have told.
    fn floor_of(&self, member: usize) -> Option<FencingToken> {
        let token = |seat: &Seat<Answer>| match seat.answer() {
            Some(Answer::Seen(sight)) => sight.token,
            _ => None,
        };
        let highest = self.seats.iter().filter_map(token).max();
        let has_no_record = matches!(self.seats[member].answer(), Some(Answer::Seen(Sight { token: None, .. })));
        if has_no_record { self.floor } else { highest.max(self.floor) }
    }

    fn ask(&mut self, members: Vec<(usize, Option<FencingToken>)>) -> Step {
        self.round += 1;
        self.expect_all(members.iter().map(|(member, _)| *member));
        Step::Ask { round: self.round, members }
    }

    fn after_asking(&mut self) -> Step {
        let majority = majority_of(self.seats.len());
        let granted: Vec<(usize, FencingToken)> = self.granted().collect();
        let agree = |token| granted.iter().filter(|(_, other)| *other == token).count();
        if let Some((_, token)) = granted.iter().find(|(_, token)| agree(*token) >= majority) {
            return Step::Over(Outcome::Granted(*token));
        }
        let (awaited, silent) = self.pending();
        // Rule 4: it keeps its token, also where a member that was slower than the majority has granted a higher one since.
        if self.own.is_some_and(|own| awaited > 0 && agree(own) + awaited >= majority) {
            return Step::Wait;
        }
        let being_raised =
            self.seats.iter().any(|seat| seat.is_asked(self.round) && seat.is_pending()) && self.raises > 0;
        if granted.len() >= majority && !being_raised && self.raises < RAISES {
            // No function of tokens that differ rises from term to term; a single one does.
            let highest = granted.iter().map(|(_, token)| *token).max();
            self.raises += 1;
            let lower = granted.iter().filter(|(_, token)| Some(*token) < highest);
            return self.ask(lower.map(|(member, _)| (*member, highest.and_then(below))).collect());
        }
        // Who was seen held and left alone has refused.
        let refuses = |seat: &&Seat<Answer>| matches!(seat.answer(), Some(Answer::Refused | Answer::Seen(_)));
        let refused = self.seats.iter().filter(refuses).count();
        let answered = granted.len() + refused;
        // Once a majority has answered, nobody waits for who did not answer the last time.
        let awaited = awaited + if answered < majority { silent } else { 0 };
        if awaited > 0 && granted.len() + awaited >= majority {
            return Step::Wait;
        }
        Step::Over(if refused > 0 && answered >= majority { Outcome::Held } else { Outcome::Unknown })
    }

    /// Who may hold a lease for this claim, once it is over: all that were asked and have not refused.
    pub fn may_hold(&self) -> impl Iterator<Item = usize> + '_ {
        let asked = |seat: &Seat<Answer>| {
            self.phase == Phase::Asks && !matches!(seat.answer(), Some(Answer::Refused | Answer::Seen(_)))
        };
        self.seats.iter().enumerate().filter(move |(_, seat)| asked(seat)).map(|(member, _)| member)
    }

    /// Who has granted, and under which token.
    pub fn granted(&self) -> impl Iterator<Item = (usize, FencingToken)> + '_ {
        self.seats.iter().enumerate().filter_map(|(member, seat)| match seat.answer() {
            Some(Answer::Granted(token)) => Some((member, *token)),
            _ => None,
        })
    }

    fn expect_all(&mut self, members: impl Iterator<Item = usize>) {
        for member in members {
            self.seats[member].expect(self.round);
        }
    }

    /// Of whom an answer is awaited, and of whom one may come that nobody waits for.
    fn pending(&self) -> (usize, usize) {
        let pending = self.seats.iter().filter(|seat| seat.is_pending());
        let (silent, awaited): (Vec<_>, Vec<_>) = pending.partition(|seat| seat.is_silent());
        (awaited.len(), silent.len())
    }
}

/// What a token has to be above in order to be this one.
fn below(token: FencingToken) -> Option<FencingToken> {
    FencingToken::new(token.get() - 1).ok()
}
