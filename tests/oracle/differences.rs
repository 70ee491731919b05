//! Where Azurite does not do what the documentation says.

/// A difference: in these states, of this operation, Azurite's answer and the documented one.
pub struct Difference {
    pub states: &'static [&'static str],
    pub operations: &'static [&'static str],
    pub azurite: &'static str,
    pub documented: &'static str,
    pub why: &'static str,
}

pub const DIFFERENCES: &[Difference] = &[];
