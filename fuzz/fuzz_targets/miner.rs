#![no_main]
//! The first byte is the size of the pieces that the program goes by in: they make no difference.
use breakwater_scanner::contents::MinerSearch;

fn search(program: &[u8], piece: usize) -> Option<String> {
    let mut search = MinerSearch::default();
    program.chunks(piece).for_each(|piece| search.push(piece));
    search.finish()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, program)) = bytes.split_first() else { return };
    assert_eq!(search(program, usize::from(*piece).max(1)), search(program, usize::MAX));
});
