//! What stands in the environment.

/// The value of a variable, if it has any: compose files and templates set variables to nothing where they mean none.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
