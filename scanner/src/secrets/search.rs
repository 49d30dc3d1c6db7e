//! One text, handed over in pieces: keywords are found in everything, rules judge what stands around them.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, Match, MatchKind, Span, packed};

use super::{
    AFTER, BEFORE, Candidate, Certainty, Rule, Scope, Spot, assignment, clouds, fingerprint, forges, keys,
    places, scope::Depth, services, token::Token,
};

/// Bytes that are searched at once.
const CHUNK: usize = 128 << 10;
/// The most secrets reported of one file. More are not told apart from a list of samples.
const MAX_FOUND: usize = 100;

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundSecret {
    /// From 1.
    pub line: u32,
    pub rule: &'static str,
    pub fingerprint: String,
}

impl FoundSecret {
    /// Whether it is a private key, encrypted or not.
    #[must_use]
    pub fn is_private_key(&self) -> bool {
        self.rule.ends_with("private-key")
    }
}

enum Lead {
    Token(&'static Token),
    Rule(Rule),
}

/// Keywords, and what looks at the text around each.
struct Keywords {
    /// Where the processor has the vector instructions for it: some times as fast as the automaton.
    packed: Option<packed::Searcher>,
    automaton: Option<AhoCorasick>,
    leads: Vec<(&'static str, Lead)>,
}

impl Keywords {
    fn of(leads: Vec<(&'static str, Lead)>) -> Self {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::DFA))
            .build(leads.iter().map(|(keyword, _)| keyword));
        let mut packed = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        packed.extend(leads.iter().map(|(keyword, _)| keyword));
        // The automaton is built from constants; tests show that it can be.
        Self { packed: packed.build(), automaton: automaton.ok(), leads }
    }

    /// The next keyword in `text` from `at` on; of several that begin there the first listed.
    fn find(&self, text: &[u8], at: usize) -> Option<Match> {
        let span = Span::from(at.min(text.len())..text.len());
        match &self.packed {
            Some(packed) => packed.find_in(text, span),
            None => self.automaton.as_ref()?.find(Input::new(text).span(span)),
        }
    }
}

fn forms() -> Vec<(&'static str, Lead)> {
    let tables = [clouds::TOKENS, forges::TOKENS, services::TOKENS];
    let tokens = tables.into_iter().flatten().map(|token| (token.prefix, Lead::Token(token)));
    let rules: [(&str, Rule); 3] =
        [(services::OPENAI, services::openai), (keys::PEM, keys::pem), (keys::CLIENT_KEY, keys::kubeconfig)];
    tokens.chain(rules.into_iter().map(|(keyword, rule)| (keyword, Lead::Rule(rule)))).collect()
}

static FORMS: LazyLock<Keywords> = LazyLock::new(|| Keywords::of(forms()));

static EVERYTHING: LazyLock<Keywords> = LazyLock::new(|| {
    let places: [(&str, Rule); 3] = [
        (places::URL, places::url),
        (places::DOCKER_AUTH, places::docker_auth),
        (places::NPM_AUTH, places::npm_auth),
    ];
    let names = assignment::KEYWORDS.map(|keyword| (keyword, assignment::assignment as Rule));
    let rules = places.into_iter().chain(names).map(|(keyword, rule)| (keyword, Lead::Rule(rule)));
    Keywords::of(forms().into_iter().chain(rules).collect())
});

/// Calls `each` with every candidate in `text` whose keyword begins in `from..to`. Answers where the search may go on.
pub(super) fn candidates<'t>(
    text: &'t [u8],
    from: usize,
    to: usize,
    scope: Scope,
    mut each: impl FnMut(&Spot<'t>, usize, Candidate) -> bool,
) -> usize {
    let keywords = match scope.depth {
        Depth::Nothing => return to,
        Depth::Forms => &*FORMS,
        Depth::Everything => &*EVERYTHING,
    };
    let mut next = from;
    while let Some(hit) = keywords.find(text, next).filter(|hit| hit.start() < to) {
        let at = hit.start();
        next = hit.end();
        let Some((keyword, lead)) = keywords.leads.get(hit.pattern().as_usize()) else { continue };
        // The same bytes are looked at however the text came in pieces.
        let start = at.saturating_sub(BEFORE);
        let around = text.get(start..text.len().min(at.saturating_add(AFTER))).unwrap_or_default();
        let spot = Spot { text: around, at: at - start, keyword, scope };
        let candidate = match lead {
            Lead::Token(token) => token.at(&spot),
            Lead::Rule(rule) => rule(&spot),
        };
        if let Some(candidate) = candidate
            && !each(&spot, at, candidate)
        {
            break;
        }
    }
    next.max(to)
}

/// The search through one file after another.
#[derive(Debug)]
pub struct SecretSearch {
    path: String,
    scope: Scope,
    /// What is held of the file: all that rules may still look at.
    held: Vec<u8>,
    /// Up to where it is searched.
    searched: usize,
    /// Line ends before what is held.
    lines: u32,
    found: Vec<FoundSecret>,
    is_full: bool,
}

impl Default for SecretSearch {
    fn default() -> Self {
        let scope = Scope { depth: Depth::Nothing, ..Scope::configuration() };
        Self {
            path: String::new(),
            scope,
            held: Vec::new(),
            searched: 0,
            lines: 0,
            found: Vec::new(),
            is_full: false,
        }
    }
}

impl SecretSearch {
    /// Begins with the file at `path`, relative to the image's root.
    pub fn begin(&mut self, path: &str) {
        self.scope = Scope::of(path);
        path.clone_into(&mut self.path);
        self.held.clear();
        self.found.clear();
        (self.searched, self.lines, self.is_full) = (0, 0, false);
    }

    /// The next piece; `false` once nothing more is looked for: the file is not searched, or is no text.
    pub fn push(&mut self, mut piece: &[u8]) -> bool {
        if self.scope.depth == Depth::Nothing {
            return false;
        }
        // No text has a NUL byte, and nearly everything else has one near its beginning.
        if memchr::memchr(0, piece).is_some() {
            self.scope.depth = Depth::Nothing;
            return false;
        }
        while !piece.is_empty() {
            let room = CHUNK.saturating_sub(self.held.len()).max(1).min(piece.len());
            let (now, later) = piece.split_at_checked(room).unwrap_or((piece, &[]));
            self.held.extend_from_slice(now);
            piece = later;
            if self.held.len() >= CHUNK {
                self.search(self.held.len().saturating_sub(AFTER));
                self.let_go();
            }
        }
        true
    }

    /// What was found, sorted, each once.
    pub fn finish(&mut self) -> Vec<FoundSecret> {
        if self.scope.depth != Depth::Nothing {
            self.search(self.held.len());
        }
        self.scope.depth = Depth::Nothing;
        let mut found = std::mem::take(&mut self.found);
        found.sort();
        found.dedup();
        // One secret may fit a form and a name: the form says more.
        let is_named = |rule: &str| rule.ends_with("-assignment");
        let formed: Vec<u32> = found.iter().filter(|one| !is_named(one.rule)).map(|one| one.line).collect();
        found.retain(|one| !is_named(one.rule) || formed.binary_search(&one.line).is_err());
        found.dedup_by(|one, other| is_named(one.rule) && one.line == other.line);
        found
    }

    /// Whether the last file held more secrets than are listed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Bytes of the file that are held: bounded, whatever the file.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    fn search(&mut self, to: usize) {
        let Self { path, held, found, .. } = self;
        let lines = self.lines;
        self.searched = candidates(held, self.searched, to, self.scope, |spot, at, candidate| {
            if candidate.certainty == Certainty::Suspicious {
                return true; // Lines are counted for what is reported alone: that is the dear part.
            }
            let before = held.get(..at).unwrap_or_default();
            let line = lines.saturating_add(line_ends(before)).saturating_add(1);
            let value = spot.text.get(candidate.value.clone()).unwrap_or_default();
            let fingerprint = match candidate.certainty {
                Certainty::Suspicious => return true,
                Certainty::Guessable => fingerprint::of_place(candidate.rule, path, line),
                Certainty::Random => fingerprint::of_value(candidate.rule, value),
            };
            found.push(FoundSecret { line, rule: candidate.rule, fingerprint });
            found.len() < MAX_FOUND
        });
        if self.found.len() >= MAX_FOUND {
            self.is_full = true;
            self.scope.depth = Depth::Nothing;
        }
    }

    /// Drops what no rule will look at any more.
    fn let_go(&mut self) {
        let past = self.searched.saturating_sub(BEFORE).min(self.held.len());
        self.lines = self.lines.saturating_add(line_ends(self.held.get(..past).unwrap_or_default()));
        self.held.drain(..past);
        self.searched -= past;
    }
}

fn line_ends(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}
