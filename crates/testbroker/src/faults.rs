//! What the broker does wrong, when it is told to.

use std::time::Duration;

/// One order; each request to which it applies uses one of `times` up.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation, or `attach`.
    pub on: String,
    pub what: What,
    pub times: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is carried out, and answered so much later.
    Delay(Duration),
    /// It is carried out, and never answered.
    Lose,
    /// It is carried out and answered twice.
    Double,
    /// It is refused, as by a namespace under load.
    Busy,
    /// It is carried out, and then the link that has the session is torn off, before the answer.
    Detach,
}

impl Fault {
    pub fn new(on: &str, what: What, times: u32) -> Self {
        Self { on: on.to_owned(), what, times }
    }
}

/// What becomes of one request.
pub(crate) fn next(faults: &mut [Fault], operation: &str) -> Option<What> {
    let fault = faults.iter_mut().find(|fault| fault.on == operation && fault.times > 0)?;
    fault.times -= 1;
    Some(fault.what)
}
