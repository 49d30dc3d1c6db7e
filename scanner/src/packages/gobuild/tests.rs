use super::*;

const MODULES: &str = "path\texample.test/cmd/app\nmod\texample.test/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.17.0\th1:a=\n\
                       dep\texample.test/old\tv1.0.0\n=>\texample.test/fork\tv1.0.1\th1:b=\ndep\texample.test/local\tv2.0.0\n=>\t./local\t\t\nbuild\tCGO_ENABLED=0\n";

fn list_bytes() -> Vec<u8> {
    [LIST_BEGINS, MODULES.as_bytes(), LIST_ENDS].concat()
}

fn varint(mut length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out
}

fn modern_program() -> Vec<u8> {
    let mut program = b"\x7fELF".to_vec();
    program.extend([0; 1000]);
    // A scanner's own constant, before the real one.
    program.extend_from_slice(b"\xff Go buildinf:usage: ");
    program.extend([7; 333]);
    program.extend_from_slice(MAGIC);
    program.extend([8, INLINE]);
    program.resize(program.len() + STRINGS_AT - MAGIC.len() - 2, 0);
    for string in [b"go1.22.3 X:boringcrypto".to_vec(), list_bytes()] {
        program.extend(varint(string.len()));
        program.extend(string);
    }
    program.extend([1; 500]);
    program
}

fn read(program: &[u8], piece: usize) -> Found {
    let mut search = BuildInfoSearch::default();
    for piece in program.chunks(piece) {
        if !search.push(piece) {
            break;
        }
    }
    search.finish()
}

fn names(found: &Found) -> Vec<(&str, &str)> {
    found.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect()
}

#[test]
fn finds_modules_replacements_and_the_standard_library_however_the_pieces_fall() {
    let program = modern_program();
    for piece in [1, 2, 3, 7, 13, 14, 15, 16, 17, 64, 1000, 1_000_000] {
        let found = read(&program, piece);
        assert_eq!(
            names(&found),
            [
                ("example.test/app", ""),
                ("golang.org/x/net", "v0.17.0"),
                ("example.test/fork", "v1.0.1"),
                ("example.test/local", ""),
                ("stdlib", "1.22.3"),
            ],
            "pieces of {piece}"
        );
        assert_eq!(found.unread, None);
    }
}

#[test]
fn programs_before_1_18_have_modules_and_say_what_is_missing() {
    let mut program = b"\x7fELF".to_vec();
    program.extend([3; 777]);
    program.extend(list_bytes());
    program.extend([3; 20]);
    for piece in [1, 16, 800, 100_000] {
        let found = read(&program, piece);
        assert_eq!(found.packages.len(), 4);
        assert!(found.unread.is_some());
    }
}

#[test]
fn what_is_no_go_program_has_nothing() {
    assert_eq!(read(b"#!/bin/sh\n", 3), Found::default());
    assert_eq!(read(&[b"\x7fELF".as_slice(), &[0; 4096]].concat(), 100), Found::default());
    let mut cut = modern_program();
    cut.truncate(cut.len() - 600);
    assert_eq!(read(&cut, 64).packages, []);
}
