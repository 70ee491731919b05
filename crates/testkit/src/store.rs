//! A store that does what a script says.
