//! What all tests of elections share.
//!
//! - [`trace`]: what happened in an election, as the world sees it: one event a line;
//! - [`referee`]: judges that, rule by rule;
//! - [`witness`]: what a test harness tells the referee with, and what it keeps for those who read of a violation;
//! - [`core`]: the events and actions of the decision core as such a trace;
//! - [`random`]: the same numbers for the same seed;
//! - [`store`]: a store that does what a script says.

pub mod core;
pub mod random;
pub mod referee;
pub mod store;
pub mod trace;
pub mod witness;

pub use referee::{Referee, Rule, Violation};
pub use trace::{Answer, ClaimNo, Event, Limits, Request, Token, What, Who};
pub use witness::{Live, Numbers, Witness};
