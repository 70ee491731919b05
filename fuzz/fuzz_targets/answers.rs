#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| azure_leader_election::fuzzing::answers(data));
