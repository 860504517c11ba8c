#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::saved_table(bytes));
