//! Blob index tags, and the conditions on them: `"fence" <= '00007' AND "team" = 'billing'`. See
//! [Specifying conditional headers](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).

use std::collections::BTreeMap;

use azure_core::http::Url;

use super::failure::{self, Failure};

pub type Tags = BTreeMap<String, String>;

/// The value of `x-ms-tags`: pairs as in a query.
pub fn from_header(text: &str) -> Result<Tags, Failure> {
    let mut url = Url::parse("tags:").map_err(|_| failure::INVALID_TAGS)?;
    url.set_query(Some(text));
    checked(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
}

/// The body of Set Blob Tags.
pub fn from_xml(body: &[u8]) -> Result<Tags, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| failure::INVALID_XML)?;
    if !text.contains("<TagSet") {
        return Err(failure::INVALID_XML);
    }
    let tags = text.split("<Tag>").skip(1).map(|tag| Some((element(tag, "Key")?, element(tag, "Value")?)));
    checked(tags.collect::<Option<_>>().ok_or(failure::INVALID_XML)?)
}

pub fn to_xml(tags: &Tags) -> String {
    let tags = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escaped(key), escaped(value)));
    let tags: String = tags.collect();
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet>{tags}</TagSet></Tags>")
}

/// Whether the condition holds. All comparisons are of texts; a tag that is absent compares with nothing.
pub fn hold(tags: &Tags, condition: &str) -> Result<bool, Failure> {
    let mut rest = condition.trim();
    // A disjunction of conjunctions: AND binds closer.
    let (mut any, mut all) = (false, true);
    loop {
        let (met, after) = comparison(tags, rest)?;
        all &= met;
        rest = after.trim_start();
        if let Some(after) = keyword(rest, "AND") {
            rest = after;
        } else if let Some(after) = keyword(rest, "OR") {
            (any, all, rest) = (any || all, true, after);
        } else if rest.is_empty() {
            return Ok(any || all);
        } else {
            return Err(failure::INVALID_HEADER);
        }
    }
}

fn comparison<'a>(tags: &Tags, text: &'a str) -> Result<(bool, &'a str), Failure> {
    let invalid = failure::INVALID_HEADER;
    let text = text.trim_start();
    let (key, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(invalid)?,
        None => text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').ok_or(invalid)?),
    };
    let rest = rest.trim_start();
    let operators = ["<=", ">=", "<>", "<", ">", "="];
    let operator = operators.into_iter().find(|operator| rest.starts_with(operator)).ok_or(invalid)?;
    let quoted = rest[operator.len()..].trim_start().strip_prefix('\'').ok_or(invalid)?;
    let (value, rest) = quoted.split_once('\'').ok_or(invalid)?;
    let met = tags.get(key).map(String::as_str).is_some_and(|tag| match operator {
        "<=" => tag <= value,
        ">=" => tag >= value,
        "<" => tag < value,
        ">" => tag > value,
        "<>" => tag != value,
        _ => tag == value,
    });
    Ok((met, rest))
}

fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])
}

/// Ten tags at most, with keys of 1 to 128 characters and values of up to 256.
fn checked(tags: Tags) -> Result<Tags, Failure> {
    let long = |(key, value): (&String, &String)| !(1..=128).contains(&key.len()) || value.len() > 256;
    if tags.len() > 10 || tags.iter().any(long) {
        return Err(failure::INVALID_TAGS);
    }
    Ok(tags)
}

fn element(text: &str, name: &str) -> Option<String> {
    if text.contains(&format!("<{name}/>")) {
        return Some(String::new());
    }
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
