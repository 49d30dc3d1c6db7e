#![no_main]
//! The first byte is the size of the pieces that the program goes by in: they make no difference.
use breakwater_scanner::{
    HeldFile,
    packages::{gobuild::Found, program::ProgramSearch},
};

fn read(program: &[u8], piece: usize) -> Found {
    let mut search = ProgramSearch::new(program.len() as u64, HeldFile::default());
    for piece in program.chunks(piece) {
        if !search.push(piece) {
            break;
        }
    }
    search.finish().0
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, program)) = bytes.split_first() else { return };
    assert_eq!(read(program, usize::from(*piece).max(1)), read(program, usize::MAX));
});
