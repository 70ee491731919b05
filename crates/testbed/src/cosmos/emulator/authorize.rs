//! Who may do what: the emulator itself lets everybody in.

use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::http::Url;
use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

use super::Kind;
use crate::cosmos::{EmulatorToken, KEY};

/// Why a request is refused, as Cosmos DB puts it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub status: u16,
    pub substatus: u16,
}

const NOT_SIGNED_IN: Refusal = Refusal { status: 401, substatus: 0 };
/// A token whose owner no role allows it.
const NO_RIGHT: Refusal = Refusal { status: 403, substatus: 5301 };
/// A token where only the key will do.
const NOT_WITH_A_TOKEN: Refusal = Refusal { status: 403, substatus: 5300 };

pub(super) fn authorize(method: &str, url: &Url, headers: &HeaderMap) -> Result<(), Refusal> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = percent_decode_str(header("authorization")).decode_utf8_lossy();
    if let Some(signature) = authorization.strip_prefix("type=master&ver=1.0&sig=") {
        let expected = sign(&text_to_sign(method, url, header("x-ms-date")));
        return if signature == expected { Ok(()) } else { Err(NOT_SIGNED_IN) };
    }
    let token = authorization.strip_prefix("type=aad&ver=1.0&sig=").and_then(EmulatorToken::parse);
    authorize_token(method, Kind::of(url.path()), token)
}

fn authorize_token(method: &str, kind: Kind, token: Option<EmulatorToken>) -> Result<(), Refusal> {
    let reads = method == "GET";
    match token {
        None | Some(EmulatorToken::Expired) => Err(NOT_SIGNED_IN),
        Some(EmulatorToken::NoRole) => Err(NO_RIGHT),
        Some(_) if kind != Kind::Item && !reads => Err(NOT_WITH_A_TOKEN),
        Some(EmulatorToken::DataReader) if !reads => Err(NO_RIGHT),
        Some(EmulatorToken::DataReader | EmulatorToken::DataContributor) => Ok(()),
    }
}

/// A feed, such as all items of a container, is signed with its parent's name; one item with its own.
fn text_to_sign(method: &str, url: &Url, date: &str) -> String {
    let path = percent_decode_str(url.path().trim_matches('/')).decode_utf8_lossy();
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // Of kinds and names in turn, the last kind.
    let last = segments.len().saturating_sub(1) / 2 * 2;
    let kind = segments.get(last).copied().unwrap_or_default();
    let name = if segments.len() % 2 == 1 { segments[..last].join("/") } else { segments.join("/") };
    format!("{}\n{kind}\n{name}\n{}\n\n", method.to_lowercase(), date.to_lowercase())
}

fn sign(text: &str) -> String {
    hmac_sha256(text, &Secret::new(KEY)).expect("the key is base64")
}
