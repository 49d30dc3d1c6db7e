use super::*;

const MODULES: &str = "path\texample.test/app/cmd/app\nmod\texample.test/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.17.0\th1:a=\n\
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
    search.finish(None)
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
fn packages_are_told_by_their_module() {
    let functions = [
        "runtime.main",
        "main.main",
        "net/http.(*Client).Do",
        "vendor/golang.org/x/net/idna.init",
        "golang.org/x/net/http2.init",
        "golang.org/x/net/html/atom.Lookup",
        "example.test/app/internal/store.Open",
        "example.test/old/part.F",
        "example.test/old.F",
        "example.test/older.F",
    ];
    let mut program = b"\x7fELF\x02\x01".to_vec();
    program.extend(linked::tests::table(0xffff_fff1, 8, false, &functions));
    program.extend(modern_program());
    for piece in [1, 64, 1000, 1_000_000] {
        let found = read(&program, piece);
        let imports: Vec<(&str, Vec<&str>)> = found
            .packages
            .iter()
            .map(|package| (package.name.as_str(), package.imports.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            imports,
            [
                ("example.test/app", vec!["example.test/app/cmd/app", "example.test/app/internal/store"]),
                ("golang.org/x/net", vec!["golang.org/x/net/html/atom", "golang.org/x/net/http2"]),
                // By the names of the module that replaces it: advisories about that one use them.
                ("example.test/fork", vec!["example.test/fork", "example.test/fork/part"]),
                // Nothing of it is linked, or what is has lost its name: the module counts as a whole.
                ("example.test/local", vec![]),
                ("stdlib", vec!["net/http", "runtime", "vendor/golang.org/x/net/idna"]),
            ]
        );
    }
}

#[test]
fn a_table_behind_the_build_information_is_read_as_well() {
    let table = linked::tests::table(0xffff_fff1, 8, false, &["net/http.Get"]);
    let program = [b"\x7fELF\x02\x01".as_slice(), &modern_program(), &table].concat();
    for piece in [16, 1_000_000] {
        let found = read(&program, piece);
        assert_eq!(
            found.packages.last().map(|package| package.imports.as_slice()),
            Some(&["net/http".to_owned()][..])
        );
    }
}

#[test]
fn programs_of_go_itself_are_of_its_toolchain() {
    let linked = ["cmd/internal/obj".to_owned(), "main".into(), "os".into()];
    let of = |modules| {
        let found = packages(Some("go1.22.3"), modules, &linked);
        found.into_iter().map(|package| (package.name, package.version, package.imports)).collect::<Vec<_>>()
    };
    let named = |name: &str, imports: &[&str]| {
        (
            name.to_owned(),
            "1.22.3".to_owned(),
            imports.iter().map(|&path| path.to_owned()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        of("path\tcmd/link\nbuild\tCGO_ENABLED=0\n"),
        [named("stdlib", &["os"]), named("toolchain", &["cmd/internal/obj", "cmd/link"])]
    );
    assert_eq!(
        of("path\tcmd/own\nmod\tcmd\tv1.0.0\t\n").len(),
        2,
        "a module that calls itself so is another"
    );
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

/// An ELF file whose one segment, loaded at `BASE`, is the file itself.
fn pointing_program(big_endian: bool, modules: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let number = |n: u64, size: usize| {
        let bytes = if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        if big_endian { bytes[8 - size..].to_vec() } else { bytes[..size].to_vec() }
    };
    let mut program = b"\x7fELF\x02".to_vec();
    program.extend([if big_endian { 2 } else { 1 }, 1]);
    program.resize(16, 0);
    // e_type, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    for (n, size) in [
        (2, 2),
        (62, 2),
        (1, 4),
        (0, 8),
        (64, 8),
        (0, 8),
        (0, 4),
        (64, 2),
        (56, 2),
        (1, 2),
        (64, 2),
        (0, 2),
        (0, 2),
    ] {
        program.extend(number(n, size));
    }
    // p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    for (n, size) in [(1, 4), (6, 4), (0, 8), (BASE, 8), (BASE, 8), (4096, 8), (4096, 8), (16, 8)] {
        program.extend(number(n, size));
    }
    program.resize(128, 0);
    program.extend_from_slice(MAGIC);
    program.extend([8, u8::from(big_endian)]);
    program.extend([number(BASE + 256, 8), number(BASE + 272, 8)].concat());
    program.resize(256, 0);
    program.extend([number(BASE + 300, 8), number(8, 8)].concat());
    program.resize(300, 0);
    program.extend_from_slice(b"go1.16.7");
    program.resize(512, 0);
    program.extend_from_slice(modules);
    program.resize(4096, 0);
    program
}

#[test]
fn programs_before_1_18_tell_their_go_version_where_they_are_held() {
    for big_endian in [false, true] {
        for (modules, count) in [(list_bytes(), 5), (Vec::new(), 1)] {
            let program = pointing_program(big_endian, &modules);
            let mut search = BuildInfoSearch::default();
            program.chunks(700).for_each(|piece| assert!(search.push(piece)));
            let found = search.finish(Some(&program));
            assert_eq!((found.packages.len(), found.unread), (count, None));
            assert_eq!(names(&found).last(), Some(&("stdlib", "1.16.7")));
        }
    }
    // Pointers that lead nowhere.
    let mut lost = pointing_program(false, &list_bytes());
    lost[144 + 2] = 0xff;
    let mut search = BuildInfoSearch::default();
    search.push(&lost);
    assert!(search.finish(Some(&lost)).unread.is_some());
}

#[test]
fn what_is_no_go_program_has_nothing() {
    assert_eq!(read(b"#!/bin/sh\n", 3), Found::default());
    assert_eq!(read(&[b"\x7fELF".as_slice(), &[0; 4096]].concat(), 100), Found::default());
    let mut cut = modern_program();
    cut.truncate(cut.len() - 600);
    assert_eq!(read(&cut, 64).packages, []);
}
