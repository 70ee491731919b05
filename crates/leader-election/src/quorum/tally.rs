//! Who has answered, each member once.

/// What a member was asked, and answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seat<A> {
    /// It has left the latest request before this attempt without an answer.
    silent: bool,
    /// The round of its latest request; 0 before the first.
    asked: u32,
    answer: Option<A>,
}

/// More than half.
pub(super) fn majority_of(members: usize) -> usize {
    members / 2 + 1
}

impl<A> Seat<A> {
    pub(super) fn new(silent: bool) -> Self {
        Self { silent, asked: 0, answer: None }
    }

    /// A request is sent to it, and what it said before counts no more.
    pub(super) fn expect(&mut self, round: u32) {
        self.asked = round;
        self.answer = None;
    }

    /// Only the first answer to the latest request is heard.
    pub(super) fn hear(&mut self, round: u32, answer: A) {
        if self.is_asked(round) && self.answer.is_none() {
            self.answer = Some(answer);
            self.silent = false;
        }
    }

    pub(super) fn is_asked(&self, round: u32) -> bool {
        self.asked == round
    }

    pub(super) fn answer(&self) -> Option<&A> {
        self.answer.as_ref()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.asked > 0 && self.answer.is_none()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }
}

/// Counts the answers to one request that went to all members, such as a renewal.
///
/// ```
/// use leader_election::quorum::{Tally, Verdict, Vote};
///
/// let mut tally = Tally::new(vec![false; 3]);
/// tally.hear(0, Vote::Yes);
/// tally.hear(0, Vote::Yes);
/// assert_eq!(tally.verdict(), Verdict::Wait, "each member counts once");
/// tally.hear(2, Vote::Yes);
/// assert_eq!(tally.verdict(), Verdict::Yes, "whatever the third one says, and whenever");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tally {
    seats: Vec<Seat<Vote>>,
}

/// What one member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vote {
    /// It was done.
    Yes,
    /// It was not, as the claim does not hold the member.
    No,
    /// It failed: nobody knows.
    Failed,
}

/// What the members say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not known yet.
    Wait,
    /// A majority says yes.
    Yes,
    /// No majority can say yes any more, as so many say no.
    No,
    /// Too many have failed or kept silent.
    Unknown,
}

impl Tally {
    /// Of a request to as many members as there are flags: whether each has left its latest request without an answer.
    #[must_use]
    pub fn new(silent: Vec<bool>) -> Self {
        let mut seats: Vec<Seat<Vote>> = silent.into_iter().map(Seat::new).collect();
        seats.iter_mut().for_each(|seat| seat.expect(1));
        Self { seats }
    }

    /// Notes a member's vote; its first one counts.
    pub fn hear(&mut self, member: usize, vote: Vote) {
        if let Some(seat) = self.seats.get_mut(member) {
            seat.hear(1, vote);
        }
    }

    /// What is known by now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let members = self.seats.len();
        let majority = majority_of(members);
        let votes = |wanted| self.seats.iter().filter(|seat| seat.answer() == Some(&wanted)).count();
        let (yes, no) = (votes(Vote::Yes), votes(Vote::No));
        if yes >= majority {
            return Verdict::Yes;
        }
        if no > members - majority {
            return Verdict::No;
        }
        let pending = self.seats.iter().filter(|seat| seat.is_pending());
        // Once a majority has answered, nobody waits for who did not answer the last time.
        let awaited = pending.filter(|seat| yes + no < majority || !seat.is_silent()).count();
        let decidable = yes + awaited >= majority || no + awaited > members - majority;
        if awaited > 0 && decidable { Verdict::Wait } else { Verdict::Unknown }
    }
}
