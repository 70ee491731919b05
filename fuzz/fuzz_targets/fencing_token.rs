#![no_main]

// The same as in the properties of the crate.
#[path = "../../crates/leader-election/tests/in_process/properties/texts.rs"]
mod texts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| texts::token(&String::from_utf8_lossy(data)));
