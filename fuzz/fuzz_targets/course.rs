#![no_main]

// The same as in the properties of the crate.
#[path = "../../crates/leader-election/tests/in_process/properties/course.rs"]
mod course;
#[path = "../../crates/leader-election/tests/in_process/properties/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| course::run(data));
