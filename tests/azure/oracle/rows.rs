//! The rows that are asked of the oracle and of Azurite: each operation in each state of the blob and its lease.

use std::time::Duration;

/// Lease ids: A is the one that holds or held the lease.
pub const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
pub const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";
pub const C: &str = "cccccccc-0000-4000-8000-00000000000c";

/// Stands for the ETag that the blob has after its preparation.
pub const ETAG: &str = "{etag}";

/// Longer than a lease of 15 s.
pub const WAIT: Duration = Duration::from_millis(15_500);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: &'static str,
    pub query: &'static str,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: &'static str,
}

impl Call {
    fn new(method: &'static str, query: &'static str) -> Self {
        Self { method, query, headers: Vec::new(), body: "" }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn with_lease(self, id: &'static str) -> Self {
        if id.is_empty() { self } else { self.with("x-ms-lease-id", id) }
    }

    fn with_body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }
}

/// Makes the blob what a row needs.
#[derive(Debug, Clone)]
pub enum Step {
    Call(Call),
    Wait,
}

/// A state of the blob and how to bring it about.
#[derive(Debug, Clone)]
pub struct State {
    pub name: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub name: String,
    pub call: Call,
    /// Whether it is for an append blob.
    pub append: bool,
}

pub fn create(append: bool) -> Call {
    let kind = if append { "AppendBlob" } else { "BlockBlob" };
    let call = put().with("x-ms-tags", "fence=00000000000000000006&team=billing");
    Call { headers: [("x-ms-blob-type", kind)].into_iter().chain(call.headers).collect(), ..call }
}

fn put() -> Call {
    Call::new("PUT", "")
}

pub fn head() -> Call {
    Call::new("HEAD", "")
}

fn set_metadata() -> Call {
    Call::new("PUT", "comp=metadata").with("x-ms-meta-team", "billing")
}

fn lease(action: &'static str) -> Call {
    Call::new("PUT", "comp=lease").with("x-ms-lease-action", action)
}

fn acquire(id: &'static str, duration: &'static str) -> Call {
    let call = lease("acquire").with("x-ms-lease-duration", duration);
    if id.is_empty() { call } else { call.with("x-ms-proposed-lease-id", id) }
}

fn breaking(period: &'static str) -> Call {
    lease("break").with("x-ms-lease-break-period", period)
}

fn change(from: &'static str, to: &'static str) -> Call {
    lease("change").with("x-ms-lease-id", from).with("x-ms-proposed-lease-id", to)
}

/// The states in which the documentation has columns, and the ways into and out of them.
pub fn states() -> Vec<State> {
    use Step::{Call as Do, Wait};
    let state = |name, steps: &[Step]| State { name, steps: steps.to_vec() };
    vec![
        state("available", &[]),
        state("released", &[Do(acquire(A, "60")), Do(lease("release").with_lease(A))]),
        state("leased", &[Do(acquire(A, "60"))]),
        state("leased for ever", &[Do(acquire(A, "-1"))]),
        state("breaking", &[Do(acquire(A, "60")), Do(breaking("60"))]),
        state("broken", &[Do(acquire(A, "60")), Do(breaking("0"))]),
        state("broken by time", &[Do(acquire(A, "60")), Do(breaking("1")), Wait]),
        state("broken, then written", &[Do(acquire(A, "60")), Do(breaking("0")), Do(set_metadata())]),
        state("expired", &[Do(acquire(A, "15")), Wait]),
        state("expired, then written", &[Do(acquire(A, "15")), Wait, Do(set_metadata())]),
        state("expired, then taken", &[Do(acquire(B, "15")), Wait, Do(acquire(A, "60"))]),
    ]
}

pub fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    let mut add = |name: &str, call: Call| {
        let append = call.query == "comp=appendblock";
        all.push(Operation { name: name.to_owned(), call, append });
    };
    lease_operations(&mut add);
    uses(&mut add);
    conditions(&mut add);
    all
}

fn lease_operations(add: &mut impl FnMut(&str, Call)) {
    add("acquire", acquire("", "60"));
    add("acquire A", acquire(A, "60"));
    add("acquire A for 30 s", acquire(A, "30"));
    add("acquire A for ever", acquire(A, "-1"));
    add("acquire B", acquire(B, "60"));
    add("acquire A in capitals", acquire("AAAAAAAA-0000-4000-8000-00000000000A", "60"));
    add("acquire A in braces", acquire("{aaaaaaaa-0000-4000-8000-00000000000a}", "60"));
    add("acquire A for 14 s", acquire(A, "14"));
    add("acquire A for 61 s", acquire(A, "61"));
    add("acquire A without a duration", lease("acquire").with("x-ms-proposed-lease-id", A));
    add("acquire no id at all", acquire("my-own-lease", "60"));
    add("renew A", lease("renew").with_lease(A));
    add("renew B", lease("renew").with_lease(B));
    add("renew A in capitals", lease("renew").with_lease("AAAAAAAA-0000-4000-8000-00000000000A"));
    add("renew without an id", lease("renew"));
    add("change A to B", change(A, B));
    add("change B to A", change(B, A));
    add("change B to C", change(B, C));
    add("release A", lease("release").with_lease(A));
    add("release B", lease("release").with_lease(B));
    add("release A in capitals", lease("release").with_lease("AAAAAAAA-0000-4000-8000-00000000000A"));
    add("break", lease("break"));
    add("break at once", breaking("0"));
    add("break in 5 s", breaking("5"));
    add("break in 61 s", breaking("61"));
}

fn uses(add: &mut impl FnMut(&str, Call)) {
    const TAGS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet><Tag><Key>fence</Key><Value>7</Value></Tag></TagSet></Tags>";
    for (whose, id) in [("", ""), (" under A", A), (" under B", B)] {
        let mut add = |what: &str, call: Call| add(&format!("{what}{whose}"), call.with_lease(id));
        add("put", put().with("x-ms-blob-type", "BlockBlob").with_body("new"));
        add("set metadata", set_metadata());
        add("append", Call::new("PUT", "comp=appendblock").with_body("more"));
        add("set tags", Call::new("PUT", "comp=tags").with("content-type", "application/xml").with_body(TAGS));
        add("delete", Call::new("DELETE", ""));
        add("head", head());
        add("get", Call::new("GET", ""));
        add("get tags", Call::new("GET", "comp=tags"));
    }
}

fn conditions(add: &mut impl FnMut(&str, Call)) {
    const OTHER: &str = "\"0x8DEADBEEF000000\"";
    const LOWER: &str = "\"fence\" <= '00000000000000000005'";
    const SAME: &str = "\"fence\" <= '00000000000000000006'";
    const BELOW: &str = "\"fence\" < '00000000000000000006'";
    const EQUAL: &str = "\"fence\" = '00000000000000000006' AND team = 'billing'";
    let new = || put().with("x-ms-blob-type", "BlockBlob").with_lease(A);
    add("put if absent", put().with("x-ms-blob-type", "BlockBlob").with("if-none-match", "*"));
    add("put under A if absent", new().with("if-none-match", "*"));
    for (condition, name, value) in [
        ("if the same", "if-match", ETAG),
        ("if another", "if-match", OTHER),
        ("if there", "if-match", "*"),
        ("unless the same", "if-none-match", ETAG),
        ("unless another", "if-none-match", OTHER),
        ("if fence <= 5", "x-ms-if-tags", LOWER),
        ("if fence <= 6", "x-ms-if-tags", SAME),
        ("if fence < 6", "x-ms-if-tags", BELOW),
        ("if fence = 6", "x-ms-if-tags", EQUAL),
    ] {
        let mut add = |what: &str, call: Call| add(&format!("{what} {condition}"), call.with(name, value));
        add("put under A", new());
        add("set metadata under A", set_metadata().with_lease(A));
        add("append under A", Call::new("PUT", "comp=appendblock").with_lease(A).with_body("more"));
        add("acquire A", acquire(A, "60"));
        add("renew A", lease("renew").with_lease(A));
        add("head", head());
    }
    let tags = "<Tags><TagSet><Tag><Key>fence</Key><Value>7</Value></Tag></TagSet></Tags>";
    let tags = Call::new("PUT", "comp=tags").with("content-type", "application/xml").with_body(tags).with_lease(A);
    add("set tags under A if fence <= 5", tags.clone().with("x-ms-if-tags", LOWER));
    add("set tags under A if fence <= 6", tags.with("x-ms-if-tags", SAME));
    let both = set_metadata().with_lease(A).with("if-match", ETAG);
    add("set metadata under A if the same and fence <= 5", both.clone().with("x-ms-if-tags", LOWER));
    add("set metadata under A if the same and fence <= 6", both.with("x-ms-if-tags", SAME));
}
