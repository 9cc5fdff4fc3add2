//! See `header` in tests/support/entry_points.rs.

#![no_main]

#[path = "../../tests/support/entry_points.rs"]
#[allow(dead_code, reason = "each target feeds one of them")]
mod entry_points;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entry_points::header(octets));
