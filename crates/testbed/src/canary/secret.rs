//! A secret, and the forms in which it can stand in a text.

use azure_core::base64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::canary::recorder::recorded;

#[derive(Debug, Clone)]
pub struct Secret {
    what: &'static str,
    text: String,
    /// A module of the SDK that shows it, and cannot be kept from that.
    shown_by: &'static str,
}

impl Secret {
    pub fn new(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, text: text.into(), shown_by: "" }
    }

    /// A secret that one module of the SDK shows in its traces: it must stand in nothing else.
    pub fn but_for(self, shown_by: &'static str) -> Self {
        Self { shown_by, ..self }
    }

    /// As it is, encoded once and twice for a URL, without punctuation, in base64 wherever it begins within other bytes, in hex,
    /// and as a list of bytes. Upper and lower case are the same to the search.
    pub fn forms(&self) -> Vec<String> {
        let text = &self.text;
        let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let twice = utf8_percent_encode(&percent, NON_ALPHANUMERIC).to_string();
        let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytes = format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
        let mut forms = vec![text.clone(), percent, twice, text.replace('-', ""), hex, bytes];
        for before in 0..3 {
            // What is left when the groups that mix with the bytes before and after are cut off.
            let encode = |encoder: fn(Vec<u8>) -> String| {
                let encoded = encoder([vec![b'x'; before], text.clone().into_bytes()].concat());
                encoded[(before * 8_usize).div_ceil(6)..encoded.len() - 4].to_owned()
            };
            forms.push(encode(base64::encode));
            forms.push(encode(base64::encode_url_safe));
        }
        forms
    }
}

/// Fails where one of the secrets stands in anything that was recorded.
pub fn assert_hidden(secrets: &[Secret]) {
    let recorded = recorded();
    for secret in secrets {
        for form in secret.forms() {
            if let Some(place) = recorded.find_beyond(secret.shown_by, &form) {
                panic!("the {} {:?} is shown:\n{place}", secret.what, secret.text);
            }
        }
    }
}
