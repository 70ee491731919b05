//! What a client shows at `$cbs`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use crate::settings::Settings;

/// What somebody may do with a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) queue: String,
    pub(crate) listen: bool,
    pub(crate) send: bool,
    pub(crate) until: SystemTime,
}

/// Reads a token of this kind for this audience.
pub(crate) fn check(settings: &Settings, kind: &str, audience: &str, token: &str) -> Result<Rights, String> {
    let queue = queue_of(audience).ok_or("the audience is no queue")?;
    match kind {
        "jwt" if settings.jwt.as_deref() == Some(token) => {
            let until = SystemTime::now() + Duration::from_secs(3_600);
            Ok(Rights { queue, listen: true, send: true, until })
        }
        "servicebus.windows.net:sastoken" => signed(settings, queue, token),
        // As the client for Python calls its signatures.
        "jwt" if token.starts_with("SharedAccessSignature ") => signed(settings, queue, token),
        _ => Err("InvalidIssuer: Token issuer is invalid".to_owned()),
    }
}

/// `scheme://host/QUEUE`, or that of its management node.
fn queue_of(audience: &str) -> Option<String> {
    let (_, path) = audience.split_once("://")?.1.split_once('/')?;
    let queue = path.trim_end_matches('/').trim_end_matches("/$management");
    Some(queue.to_owned())
}

fn signed(settings: &Settings, queue: String, token: &str) -> Result<Rights, String> {
    let fields = token.strip_prefix("SharedAccessSignature ").ok_or("no signature")?;
    let fields: BTreeMap<&str, &str> = fields.split('&').filter_map(|field| field.split_once('=')).collect();
    let field = |name: &str| fields.get(name).copied().ok_or(format!("no {name}"));
    let (resource, expiry, signature, name) = (field("sr")?, field("se")?, field("sig")?, decoded(field("skn")?));
    let (_, key, listen, send) = settings.keys.iter().find(|known| known.0 == name).ok_or("no such key")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length");
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    if STANDARD.encode(mac.finalize().into_bytes()) != decoded(signature) {
        return Err("InvalidSignature: The token has an invalid signature".to_owned());
    }
    let resource = decoded(resource).to_ascii_lowercase();
    let whole = resource.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').split('/').count() == 1);
    if !whole && queue_of(&resource).as_deref() != Some(&queue.to_ascii_lowercase()) {
        return Err("InvalidAudience: the token is for something else".to_owned());
    }
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(expiry.parse::<f64>().map_err(|_| "no expiry")? as u64);
    if until <= SystemTime::now() {
        return Err("ExpiredToken".to_owned());
    }
    Ok(Rights { queue, listen: *listen, send: *send, until })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
