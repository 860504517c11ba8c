#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::client_hello(bytes));
