#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leader_election::fuzzing::file_record(data));
