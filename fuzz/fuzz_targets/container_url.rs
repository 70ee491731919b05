#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| azure_leader_election::fuzzing::container_url(data));
