//! Versions as services write them, and as proxies rewrite them.

/// The version as the service itself wrote it. A proxy that compresses what it passes on marks it as weak (`W/`), and over a weak
/// one no condition holds.
#[must_use]
pub fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_version_is_the_services_own_behind_its_mark() {
        for (seen, own) in [("W/\"0x8D\"", "\"0x8D\""), ("\"0x8D\"", "\"0x8D\""), ("\"W/\"", "\"W/\""), ("", "")] {
            assert_eq!(strong(seen), own);
        }
    }
}
