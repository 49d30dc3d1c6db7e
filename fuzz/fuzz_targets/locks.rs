#![no_main]
//! The first byte chooses the format: a letter from `a`, in the order of `Lock::ALL`.
use breakwater_scanner::packages::locks::Lock;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some(first) = text.chars().next() else { return };
    let place = u32::from(first).saturating_sub(u32::from('a')) as usize;
    if let Some(lock) = Lock::ALL.get(place) {
        let _ = lock.read(&text[first.len_utf8()..]);
    }
});
