//! Versions as services write them, and as proxies rewrite them.

#[cfg(feature = "blob")]
use azure_core::http::Etag;

/// The version as the service itself wrote it. A proxy that compresses what it passes on marks it as weak (`W/`), and over a weak
/// one no condition holds.
pub(crate) fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// Likewise.
#[cfg(feature = "blob")]
pub(crate) fn strong_etag(etag: Etag) -> Etag {
    let text: &str = etag.as_ref();
    if strong(text).len() == text.len() { etag } else { Etag::from(strong(text).to_owned()) }
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
