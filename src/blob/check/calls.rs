//! The requests of the check.

use azure_core::http::Method;

/// Lease ids: A is the one that holds or held the lease.
pub(super) const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
pub(super) const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

/// Stands for the ETag that the blob has before the operation.
const ETAG: &str = "{etag}";

#[derive(Debug, Clone)]
pub(super) struct Call {
    name: &'static str,
    pub(super) method: Method,
    pub(super) query: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'static str,
}

impl Call {
    fn new(name: &'static str, method: Method, query: &'static str) -> Self {
        Self { name, method, query, headers: Vec::new(), body: "" }
    }

    pub(super) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn under(self, id: &str) -> Self {
        self.with("x-ms-lease-id", id)
    }

    /// Over the ETag that the blob has.
    pub(super) fn if_the_same(self) -> Self {
        self.with("if-match", ETAG)
    }

    /// Over tags for which this holds.
    pub(super) fn if_tags(self, condition: &str) -> Self {
        self.with("x-ms-if-tags", condition)
    }

    pub(super) fn with_body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    pub(super) fn over(&self, etag: &str) -> Self {
        let headers = self.headers.iter().map(|(name, value)| (*name, value.replace(ETAG, etag)));
        Self { headers: headers.collect(), ..self.clone() }
    }

    pub(super) fn is_about_tags(&self) -> bool {
        self.query == "comp=tags" || self.headers.iter().any(|(name, _)| name.contains("tags"))
    }
}

/// A blob for this operation: with a fence at 6, where tags matter.
pub(super) fn create_for(call: &Call) -> Call {
    let kind = if call.query == "comp=appendblock" { "AppendBlob" } else { "BlockBlob" };
    let create = Call { headers: vec![("x-ms-blob-type", kind.to_owned())], ..put().named("creating a blob") };
    if call.is_about_tags() { create.with("x-ms-tags", "fence=6") } else { create }
}

pub(super) fn put() -> Call {
    Call::new("put", Method::Put, "").with("x-ms-blob-type", "BlockBlob")
}

pub(super) fn head() -> Call {
    Call::new("look", Method::Head, "")
}

pub(super) fn delete() -> Call {
    Call::new("delete", Method::Delete, "")
}

pub(super) fn set_metadata() -> Call {
    Call::new("set metadata", Method::Put, "comp=metadata").with("x-ms-meta-team", "billing")
}

pub(super) fn append() -> Call {
    Call::new("append", Method::Put, "comp=appendblock").with_body("a")
}

/// To a fence at 6.
pub(super) fn set_tags() -> Call {
    const TAGS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet><Tag><Key>fence</Key><Value>6</Value></Tag></TagSet></Tags>";
    let call = Call::new("set tags", Method::Put, "comp=tags").with("content-type", "application/xml; charset=utf-8");
    call.with_body(TAGS)
}

fn lease(name: &'static str, action: &'static str) -> Call {
    Call::new(name, Method::Put, "comp=lease").with("x-ms-lease-action", action)
}

pub(super) fn acquire(id: &str, duration: &str) -> Call {
    let call = lease("acquire", "acquire").with("x-ms-proposed-lease-id", id);
    if duration.is_empty() { call } else { call.with("x-ms-lease-duration", duration) }
}

pub(super) fn renew(id: &str) -> Call {
    let call = lease("renew", "renew");
    if id.is_empty() { call } else { call.under(id) }
}

pub(super) fn release(id: &str) -> Call {
    lease("release", "release").under(id)
}

/// In so many seconds, or as the service has it.
pub(super) fn breaking(period: &str) -> Call {
    let call = lease("break", "break");
    if period.is_empty() { call } else { call.with("x-ms-lease-break-period", period) }
}
