//! Made-up tags and answers.

use proptest::prelude::*;

use super::laws;
use crate::laws::strategies::text;
use leader_election::FencingToken;

fn mark() -> impl Strategy<Value = (u64, u64)> {
    let near = (0..53_u32, 0..3_u64).prop_map(|(bits, off)| ((1_u64 << bits) + off).clamp(1, FencingToken::MAX));
    (prop_oneof![1..=FencingToken::MAX, 1..20_u64, near], prop_oneof![0..1_000_000_000_000_u64, 0..12_u64])
}

proptest! {
    #[test]
    fn marks_rise_as_texts_as_they_do_as_numbers(one in mark(), other in mark()) {
        laws::order(one, other);
        laws::order(one, one);
    }

    #[test]
    fn invariant_14_a_tag_is_the_mark_it_was_written_as_or_an_error(
        token in "[0-9]{19,21}",
        write in "(-[0-9]{11,13})?",
        other in text(),
    ) {
        for tag in [format!("{token}{write}"), format!("0000{}{write}", &token[4..]), format!("{token}{other}"), other] {
            laws::tag(&tag);
        }
    }

    #[test]
    fn any_answer_to_a_fenced_write_can_be_shown(
        status in 100..600_u16,
        code in prop::option::of(prop_oneof![
            text(),
            "[A-Za-z]{0,8}(HierarchicalNamespace|BlobTagsNotSupported)[A-Za-z]{0,8}",
            prop::sample::select(vec!["ConditionNotMet", "BlobNotFound", "InvalidBlockList", "ContainerNotFound"])
                .prop_map(str::to_owned),
        ]),
        id in text(),
    ) {
        laws::answer(status, code.as_deref(), &[("x-ms-request-id", id)]);
    }
}

#[test]
fn a_code_of_the_service_stands_in_an_error_without_control_characters() {
    laws::answer(409, Some("HierarchicalNamespace\u{1b}[2J"), &[]);
}

#[test]
fn a_tag_that_is_no_mark_is_not_repeated_at_length() {
    laws::tag(&"x".repeat(8_000));
}
