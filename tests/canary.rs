//! Secrets are driven through everything that can fail, and looked for in everything that is shown.
//!
//! Signatures, account keys, access tokens and lease ids that occur nowhere else go into every public type that may hold one,
//! against services that answer in every way. Meanwhile a subscriber records the traces of all crates of the process at
//! their finest level, and every `Debug`, `Display` and chain of causes is collected. None of it may show a secret, in any
//! of the forms in which one can stand in a text.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "canary/blob.rs"]
mod blob;
#[path = "canary/cosmos.rs"]
mod cosmos;

use testbed::canary::recorder::{self, recorded, show};
use testbed::canary::secret::Secret;
use tracing::trace;

/// The search finds each form, in traces of any crate and in what is shown.
#[test]
fn control_a_secret_that_is_shown_is_found_in_all_its_forms() {
    // Each form of another secret, as one form can contain another.
    let forms = |name: String| Secret::new("control", format!("control-{name}/secret=")).forms();
    recorder::start();
    let count = forms(String::new()).len();
    for (number, form) in (0..count).map(|number| (number, forms(format!("shown+{number}+")).swap_remove(number))) {
        assert!(recorded().find(&form).is_none(), "not yet shown");
        match number % 3 {
            0 => trace!(target: "another_crate", url = %form, "sent"),
            1 => log::trace!(target: "yet_another_crate", "a line of {form}, by the older facade"),
            _ => show(&std::io::Error::other(form.clone())),
        }
        assert!(recorded().find(&form).is_some(), "form {number} is overlooked: {form}");
    }
    assert!(forms("hidden".to_owned()).iter().all(|form| recorded().find(form).is_none()));
    assert!(recorded().find_beyond("another_crate", "shown+0+").is_none(), "the traces of one module are left out");
    let span = tracing::trace_span!(target: "another_crate", "request", id = "control+span/secret=");
    drop(span.entered());
    assert!(recorded().find("control+span/secret=").is_some());
}
