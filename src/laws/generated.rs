//! Made-up texts of errors.

use proptest::prelude::*;

use super::texts;
use crate::laws::strategies::{text, url};

proptest! {
    #[test]
    fn no_text_of_an_error_keeps_the_query_of_a_url(before in text(), url in url(), after in text()) {
        for text in [format!("{before}{url}{after}"), format!("{before} ({url}) {after}"), format!("{before}\n{url}\t{after}")] {
            texts::scrub(&text);
        }
    }
}
