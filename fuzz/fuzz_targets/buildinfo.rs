#![no_main]
//! The first byte is the size of the pieces that the program goes by in.
use breakwater_scanner::packages::gobuild::BuildInfoSearch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, program)) = bytes.split_first() else { return };
    let mut search = BuildInfoSearch::default();
    for piece in program.chunks(usize::from(*piece).max(1)) {
        if !search.push(piece) {
            break;
        }
    }
    let _ = search.finish(Some(program));
});
