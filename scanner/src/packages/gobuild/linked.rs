//! Which packages are linked into a program. The names of its functions, inlined ones among them, stand in the table by which Go's
//! runtime finds functions (`.gopclntab`, `runtime.pcHeader`); stripping a program leaves it, for the runtime needs it.
//!
//! Since Go 1.16 the names are one run of strings behind the table's header and are read as they go by. Older programs have them
//! scattered: of those it is not known what is linked.

use std::collections::HashSet;

use breakwater_core::printable;
use memchr::{memchr, memmem, memrchr};

use crate::limits::{MAX_FUNCTION_NAME, MAX_LINKED_PACKAGES, MAX_NAME};

/// The longest header of a table, in bytes.
const HEADER: usize = 72;
/// Linkers up to Go 1.20 begin the names at a multiple of this many bytes.
const ALIGNMENT: u64 = 32;

/// Looks for tables of functions in a program that goes by in pieces.
#[derive(Debug)]
pub(super) struct LinkedSearch {
    layout: Layout,
    finder: memmem::Finder<'static>,
    state: State,
    /// How many tables were read to their end: a program that holds another has two.
    tables: usize,
    /// As symbols write them.
    packages: HashSet<Box<[u8]>>,
    /// Not all that is linked is in `packages`.
    is_partial: bool,
}

#[derive(Debug)]
enum State {
    /// With the end of what went by.
    Looking(Vec<u8>),
    /// With the bytes left of the names, and the beginning of one that goes on in the next piece.
    Reading(u64, Vec<u8>),
}

/// How the program writes numbers (ELF, `EI_CLASS` and `EI_DATA`).
#[derive(Debug, Clone, Copy)]
struct Layout {
    size: usize,
    is_big_endian: bool,
}

/// The header of a table, and how long the names behind it are, with the zeros in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    length: usize,
    names: u64,
}

impl LinkedSearch {
    /// For a program that begins like this; `None` if it is none.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let [b'\x7f', b'E', b'L', b'F', class, data] = head else { return None };
        let size = match class {
            1 => 4,
            2 => 8,
            _ => return None,
        };
        let layout = Layout { size, is_big_endian: *data == 2 };
        Some(Self {
            layout,
            finder: memmem::Finder::new(layout.needle()),
            state: State::Looking(Vec::new()),
            tables: 0,
            packages: HashSet::new(),
            is_partial: false,
        })
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match &self.state {
                State::Looking(_) => self.look(rest),
                State::Reading(left, _) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (names, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                    self.read(names);
                    behind
                }
            };
        }
    }

    /// Whether a table was read.
    pub(super) fn is_read(&self) -> bool {
        self.tables > 0
    }

    /// Import paths, sorted; `None` if it is not known what is linked.
    pub(super) fn finish(self) -> Option<Vec<String>> {
        let is_whole = self.is_read() && !self.is_partial && matches!(self.state, State::Looking(_));
        let paths = is_whole.then(|| self.packages.iter().map(|name| unescaped(name)).collect());
        let mut paths: Vec<String> = paths.flatten()?;
        paths.sort_unstable();
        Some(paths)
    }

    /// Looks for a header; answers what stands behind it.
    fn look<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let State::Looking(held) = &mut self.state else { return piece };
        let mut seam = std::mem::take(held);
        let before = seam.len();
        seam.extend(piece.iter().take(HEADER - 1));
        let in_seam = self.header(&seam).filter(|(at, _)| *at < before);
        let in_piece = || self.header(piece).map(|(at, header)| (before + at, header));
        if let Some((at, header)) = in_seam.or_else(in_piece) {
            self.state = State::Reading(header.names, Vec::new());
            let behind = (at + header.length).checked_sub(before);
            return behind.and_then(|at| piece.get(at..)).unwrap_or_default();
        }
        // A header that begins in what is held has its end in the next piece.
        let end = if piece.len() >= HEADER - 1 { piece } else { &seam };
        let kept = end.get(end.len().saturating_sub(HEADER - 1)..).unwrap_or_default();
        self.state = State::Looking(kept.to_vec());
        &[]
    }

    /// The first whole header in `bytes`, and where it begins.
    fn header(&self, bytes: &[u8]) -> Option<(usize, Header)> {
        let mut from = 0;
        loop {
            let found = from + self.finder.find(bytes.get(from..)?)?;
            // Where the needle may stand in a run of its own bytes, it is the last of them that counts.
            let run = match self.layout.is_big_endian {
                true => bytes.get(found + 3..)?.iter().take_while(|byte| **byte == 0xff).count(),
                false => 0,
            };
            let at = (found + run).checked_sub(self.layout.needle_at());
            if let Some((at, header)) = at.and_then(|at| Some((at, self.layout.header(bytes.get(at..)?)?))) {
                return Some((at, header));
            }
            from = found + run + 1;
        }
    }

    /// The next of the names, each with a zero behind it.
    fn read(&mut self, bytes: &[u8]) {
        let State::Reading(left, begun) = &mut self.state else { return };
        *left = left.saturating_sub(bytes.len() as u64);
        let is_last = *left == 0;
        let mut begun = std::mem::take(begun);
        let mut rest = bytes;
        while let Some((name, behind)) = memchr(0, rest).and_then(|end| rest.split_at_checked(end)) {
            if begun.is_empty() {
                self.add(name);
            } else {
                extend(&mut begun, name);
                self.add(&begun);
                begun.clear();
            }
            rest = behind.get(1..).unwrap_or_default();
        }
        extend(&mut begun, rest);
        if is_last {
            self.tables += 1;
            self.state = State::Looking(Vec::new());
        } else if let State::Reading(_, name) = &mut self.state {
            *name = begun;
        }
    }

    fn add(&mut self, function: &[u8]) {
        let Some(package) = package_of(function).filter(|package| !self.packages.contains(*package)) else {
            return;
        };
        if package.len() > MAX_NAME || self.packages.len() == MAX_LINKED_PACKAGES {
            self.is_partial = true;
        } else {
            self.packages.insert(package.into());
        }
    }
}

/// The beginning of a name says which package it is of.
fn extend(name: &mut Vec<u8>, more: &[u8]) {
    name.extend(more.iter().take(MAX_FUNCTION_NAME.saturating_sub(name.len())));
}

impl Layout {
    /// The bytes that all versions' magic numbers have, with the two zeros behind them where these follow at once.
    fn needle(self) -> &'static [u8] {
        if self.is_big_endian { b"\xff\xff\xff" } else { b"\xff\xff\xff\0\0" }
    }

    /// Where in the header they stand.
    fn needle_at(self) -> usize {
        usize::from(!self.is_big_endian)
    }

    /// `magic u32, 0, 0, quantum u8, pointer size u8, functions, files, [text since 1.18], names, compilation units, file names, tables of
    /// counters, functions`; the numbers after the first two are offsets from the header's beginning (cmd/link, `pcln.go`).
    fn header(self, bytes: &[u8]) -> Option<Header> {
        let magic: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        let magic = if self.is_big_endian { u32::from_be_bytes(magic) } else { u32::from_le_bytes(magic) };
        let numbers = match magic {
            // Go 1.16, 1.18 and 1.20.
            0xffff_fffa => 7,
            0xffff_fff0 | 0xffff_fff1 => 8,
            _ => return None,
        };
        let [0, 0, 1 | 2 | 4, size] = bytes.get(4..8)? else { return None };
        if usize::from(*size) != self.size {
            return None;
        }
        let length = 8 + numbers * self.size;
        let number = |place: usize| {
            let at = 8 + place * self.size;
            self.number(bytes.get(at..at + self.size)?)
        };
        let [names, units, files, counters, functions] = [5, 4, 3, 2, 1].map(|back| number(numbers - back));
        let (begin, names, units) = (length as u64, names?, units?);
        let is_sound = number(0)? > 0
            && (begin..begin + ALIGNMENT).contains(&names)
            && names < units
            && [units, files?, counters?, functions?].is_sorted();
        is_sound.then(|| Header { length, names: units - begin })
    }

    fn number(self, bytes: &[u8]) -> Option<u64> {
        match (bytes, self.is_big_endian) {
            (&[a, b, c, d], false) => Some(u32::from_le_bytes([a, b, c, d]).into()),
            (&[a, b, c, d], true) => Some(u32::from_be_bytes([a, b, c, d]).into()),
            (_, false) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
            (_, true) => Some(u64::from_be_bytes(bytes.try_into().ok()?)),
        }
    }
}

/// The package of `golang.org/x/net/html.(*Node).AppendChild` (debug/gosym, `Sym.PackageName`); `None` of what belongs to none.
fn package_of(function: &[u8]) -> Option<&[u8]> {
    // What compiler and linker make for types and for themselves.
    if [&b"type:"[..], b"type..", b"go:", b"go.buildid"].iter().any(|made| function.starts_with(made)) {
        return None;
    }
    // Type arguments have paths of their own.
    let plain = memchr(b'[', function).and_then(|at| function.get(..at)).unwrap_or(function);
    let element = memrchr(b'/', plain).map_or(0, |at| at + 1);
    let package = plain.get(..element + memchr(b'.', plain.get(element..)?)?)?;
    let is_path = !package.is_empty() && !package.iter().any(|byte| b" {}()*\"".contains(byte));
    is_path.then_some(package)
}

/// `gopkg.in/yaml%2ev3` is `gopkg.in/yaml.v3` (cmd/internal/objabi, `PathToPrefix`).
fn unescaped(package: &[u8]) -> Option<String> {
    let mut path = Vec::with_capacity(package.len());
    let mut bytes = package.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'%' {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let value = 16 * digit(bytes.next()?)? + digit(bytes.next()?)?;
            path.push(u8::try_from(value).ok()?);
        } else {
            path.push(*byte);
        }
    }
    String::from_utf8(path).ok().filter(|path| printable::line(path, MAX_NAME) == *path)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As linkers write it for functions of these names, with something behind it.
    pub(in super::super) fn table(
        magic: u32,
        size: usize,
        is_big_endian: bool,
        functions: &[&str],
    ) -> Vec<u8> {
        let number = |number: u64, size: usize| match is_big_endian {
            true => number.to_be_bytes()[8 - size..].to_vec(),
            false => number.to_le_bytes()[..size].to_vec(),
        };
        let (counts, is_aligned): (&[u64], bool) = match magic {
            0xffff_fffa => (&[1, 1], false),
            0xffff_fff0 => (&[1, 1, 0x40_1000], true),
            _ => (&[1, 1, 0], false),
        };
        let length = 8 + (counts.len() + 5) * size;
        let begin = if is_aligned { length.next_multiple_of(32) } else { length };
        let names: Vec<u8> = functions.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
        let units = (begin + names.len()) as u64;
        let offsets = [begin as u64, units, units + 8, units + 16, units + 24];
        let mut table = number(magic.into(), 4);
        table.extend([0, 0, if is_big_endian { 4 } else { 1 }, size as u8]);
        table.extend(counts.iter().chain(&offsets).flat_map(|count| number(*count, size)));
        table.resize(begin, 0);
        [table, names, b"units\0file.go\0".to_vec()].concat()
    }

    const FUNCTIONS: [&str; 6] = [
        "runtime.main",
        "main.main",
        "gopkg.in/yaml%2ev3.(*parser).peek",
        "type:.eq.a/b.T",
        "main.init.0",
        "a/b.F[c/d.T]",
    ];
    const MODERN: u32 = 0xffff_fff1;

    fn program(size: usize, is_big_endian: bool, parts: &[&[u8]]) -> Vec<u8> {
        let head = [0x7f, b'E', b'L', b'F', if size == 8 { 2 } else { 1 }, if is_big_endian { 2 } else { 1 }];
        [&head[..], &parts.concat()].concat()
    }

    fn linked(program: &[u8], piece: usize) -> Option<Vec<String>> {
        let mut search = LinkedSearch::of(&program[..6]).unwrap();
        program.chunks(piece).for_each(|piece| search.push(piece));
        search.finish()
    }

    #[test]
    fn packages_are_found_in_every_layout_however_the_pieces_fall() {
        for magic in [0xffff_fffa, 0xffff_fff0, MODERN] {
            for (size, is_big_endian) in [(8, false), (8, true), (4, false), (4, true)] {
                let table = table(magic, size, is_big_endian, &FUNCTIONS);
                // What looks like a beginning, and runs into the real one.
                let program = program(
                    size,
                    is_big_endian,
                    &[&[3; 333], b"\xf1\xff\xff\xff\0\0\x01\x07", &[0xff; 9], &table],
                );
                for piece in [1, 2, 3, 7, 31, 64, 71, 72, 73, 100, 1000, 100_000] {
                    assert_eq!(
                        linked(&program, piece).unwrap_or_default(),
                        ["a/b", "gopkg.in/yaml.v3", "main", "runtime"],
                        "{magic:x} {size} {is_big_endian} {piece}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_program_within_a_program_counts_with_it() {
        let tables = [table(MODERN, 8, false, &["a.F"]), vec![1; 99], table(MODERN, 8, false, &["b.F"])];
        let program = program(8, false, &[&tables.concat()]);
        for piece in [1, 50, 1000] {
            assert_eq!(linked(&program, piece).unwrap_or_default(), ["a", "b"]);
        }
    }

    #[test]
    fn what_is_not_known_whole_is_not_known() {
        let whole = table(MODERN, 8, false, &FUNCTIONS);
        let cut = &whole[..HEADER + 20];
        assert_eq!(linked(&program(8, false, &[cut]), 64), None, "the names are cut short");
        assert_eq!(linked(&program(8, false, &[&whole, cut]), 64), None, "those of a second table are");
        assert_eq!(linked(&program(8, false, &[&[0; 4096]]), 64), None, "there is no table");
        assert_eq!(linked(&program(4, false, &[&whole]), 64), None, "a table of another program's");
        let long = format!("{}.F", "a/".repeat(MAX_NAME));
        assert_eq!(
            linked(&program(8, false, &[&table(MODERN, 8, false, &[&long])]), 64),
            None,
            "a name too long"
        );
        let odd = table(MODERN, 8, false, &["a%ff.F"]);
        assert_eq!(linked(&program(8, false, &[&odd]), 64), None, "a name that is none");
        let names: Vec<String> = (0..=MAX_LINKED_PACKAGES).map(|number| format!("p{number}.F")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let many = |names: &[&str]| linked(&program(8, false, &[&table(MODERN, 8, false, names)]), 4096);
        assert_eq!(many(&names), None, "more than are kept");
        assert_eq!(many(&names[1..]).map(|linked| linked.len()), Some(MAX_LINKED_PACKAGES));
    }

    #[test]
    fn headers_that_contradict_themselves_are_none() {
        let sound = table(MODERN, 8, false, &FUNCTIONS);
        for (at, value) in
            [(4, 1), (6, 3), (7, 4), (8, 0), (32, 71), (32, 104), (40, 72), (41, 0xff), (63, 1)]
        {
            let mut forged = sound.clone();
            forged[at] = value;
            assert_eq!(linked(&program(8, false, &[&forged]), 64), None, "byte {at} is {value}");
        }
    }

    #[test]
    fn long_names_are_read_as_far_as_they_matter() {
        let long = format!("a/b.F[{}]", "go.shape.int,".repeat(10_000));
        let program = program(8, false, &[&table(MODERN, 8, false, &[&long, "c.F"])]);
        for piece in [1000, 1_000_000] {
            assert_eq!(linked(&program, piece).unwrap_or_default(), ["a/b", "c"]);
        }
    }
    #[test]
    fn functions_tell_their_package() {
        for (function, package) in [
            ("main.main", Some("main")),
            ("golang.org/x/net/html.(*Node).AppendChild", Some("golang.org/x/net/html")),
            ("gopkg.in/yaml%2ev3.(*parser).peek", Some("gopkg.in/yaml%2ev3")),
            ("vendor/golang.org/x/net/idna.init.0", Some("vendor/golang.org/x/net/idna")),
            ("slices.SortFunc[go.shape.[]a/b.T,go.shape.int].func1", Some("slices")),
            ("encoding/json.glob..func2", Some("encoding/json")),
            ("go.etcd.io/bbolt.Open", Some("go.etcd.io/bbolt")),
            ("go/ast.Walk", Some("go/ast")),
            ("type:.eq.a/b.T", None),
            ("type..hash.a/b.T", None),
            ("go:buildid", None),
            ("go.buildid", None),
            ("struct { io.Reader; a/b.T }.Read", None),
            ("_cgo_topofstack", None),
            (".F", None),
            ("", None),
        ] {
            assert_eq!(package_of(function.as_bytes()), package.map(str::as_bytes), "{function}");
        }
    }

    #[test]
    fn paths_are_unescaped() {
        for (package, path) in [
            ("gopkg.in/yaml%2ev3", Some("gopkg.in/yaml.v3")),
            ("a%2", None),
            ("a%zz", None),
            ("a%ff", None),
            ("a%0a", None),
            ("a", Some("a")),
        ] {
            assert_eq!(unescaped(package.as_bytes()).as_deref(), path, "{package}");
        }
    }
}
