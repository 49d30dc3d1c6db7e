//! Secrets that their name tells: `DB_PASSWORD=…`, `"apiKey": "…"`, `<password>…</password>`, `--token …`.

use super::{
    Candidate, Certainty, Spot,
    placeholder::{is_placeholder, is_reference},
    randomness::bits,
    scope::Syntax,
    token::{base64, hex, run},
};

/// Pieces of names of secrets, in the spellings that people use.
pub(super) const KEYWORDS: [&str; 13] = [
    "assw", "ASSW", "ecret", "ECRET", "oken", "OKEN", "pi_key", "pikey", "piKey", "piKEY", "PI_KEY", "PIKEY",
    "pi-key",
];

/// The longest name, in bytes.
const MAX_NAME: usize = 64;
/// The longest value, in bytes.
const MAX_VALUE: usize = 256;

/// How names of secrets end, lower case and without separators.
const ENDINGS: [&[u8]; 12] = [
    b"password",
    b"passwd",
    b"passw",
    b"secret",
    b"secretkey",
    b"secretkeybase",
    b"secretaccesskey",
    b"token",
    b"apikey",
    b"apisecretkey",
    b"secretid",
    b"tokenkey",
];

/// Names of things that are public, or positions in a list.
const HARMLESS: [&[u8]; 16] = [
    b"public",
    b"csrf",
    b"xsrf",
    b"nexttoken",
    b"pagetoken",
    b"continuationtoken",
    b"synctoken",
    b"encrypted",
    b"hashed",
    b"eostoken",
    b"bostoken",
    b"padtoken",
    b"unktoken",
    b"masktoken",
    b"septoken",
    b"clstoken",
];

pub(super) fn assignment(spot: &Spot<'_>) -> Option<Candidate> {
    let syntax = spot.scope.syntax;
    let (start, end) = name(spot)?;
    let name = normal(spot.text.get(start..end)?);
    if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    let is_option = spot.text.get(start..)?.starts_with(b"-");
    let is_element = start > 0 && spot.text.get(start - 1) == Some(&b'<');
    let (from, quote) = value_start(spot.text, end, syntax == Syntax::Netrc || is_option, is_element)?;
    let value = value(spot.text.get(from..)?, quote);
    if value.is_empty() {
        return None;
    }
    let range = from..from + value.len();
    let candidate = |rule, certainty| Some(Candidate { rule, value: range.clone(), certainty });
    if let Some(rule) = known(&name, value) {
        return candidate(rule, Certainty::Random);
    }
    let is_expression = syntax == Syntax::Code && quote.is_none();
    let is_password = contains(&name, b"passw");
    let looks_real = match syntax {
        Syntax::Prose => false,
        Syntax::Netrc => value.len() >= 6 && !is_placeholder(value),
        Syntax::Code | Syntax::Settings if is_password => is_password_like(value, syntax),
        Syntax::Code | Syntax::Settings => is_token_like(value, syntax),
    };
    if looks_real && !is_expression && !HARMLESS.iter().any(|word| contains(&name, word)) {
        let rule = match syntax {
            Syntax::Netrc => "netrc-password",
            _ if is_password => "password-assignment",
            _ => "secret-assignment",
        };
        candidate(rule, Certainty::Guessable)
    } else if is_expression {
        None
    } else {
        candidate("secret-assignment", Certainty::Suspicious)
    }
}

/// Lower case, without separators.
fn normal(name: &[u8]) -> Vec<u8> {
    name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
}

/// Secrets whose form is nothing special, but whose name tells the issuer.
fn known(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let is_random = |min: f64| bits(value) >= min && !is_placeholder(value);
    let is_aws_name = || contains(name, b"aws") || name.ends_with(b"secretaccesskey");
    if value.len() == 40 && is_aws_name() && value.iter().all(|byte| base64(*byte)) && is_random(3.8) {
        return Some("aws-secret-access-key");
    }
    if value.len() == 32 && contains(name, b"twilio") && value.iter().all(|byte| hex(*byte)) && is_random(2.8)
    {
        return Some("twilio-auth-token");
    }
    // Entra ID: three letters, a digit, `Q~`, and 31 to 34 more.
    let is_azure = (37..=40).contains(&value.len()) && value.get(4..6) == Some(b"Q~");
    (is_azure && value.get(3).is_some_and(u8::is_ascii_digit) && is_random(3.5))
        .then_some("azure-client-secret")
}

/// Where the name begins and ends that the keyword is a piece of.
fn name(spot: &Spot<'_>) -> Option<(usize, usize)> {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before = spot.before().iter().rev().take(MAX_NAME + 1).take_while(|byte| of_name(byte)).count();
    let after = run(
        spot.after(),
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
        MAX_NAME + 1,
    );
    let (start, end) = (spot.at.checked_sub(before)?, spot.end() + after.len());
    (end - start <= MAX_NAME).then_some((start, end))
}

/// Where the value begins behind a name that ends at `end`, and in which quotes.
fn value_start(text: &[u8], end: usize, takes_blank: bool, is_element: bool) -> Option<(usize, Option<u8>)> {
    let mut at = end;
    let skip = |at: &mut usize, set: &[u8], most: usize| {
        let rest = text.get(*at..).unwrap_or_default();
        let count = rest.iter().take(most).take_while(|byte| set.contains(byte)).count();
        *at += count;
        count
    };
    if is_element {
        // `<password>value`
        return text.get(at).is_some_and(|byte| *byte == b'>').then_some((at + 1, None));
    }
    // `"name": …`, `\"name\": …`, `config['name'] = …`
    skip(&mut at, br#"\"'`]"#, 4);
    let blanks = skip(&mut at, b" \t", 8);
    let sign = text.get(at..)?;
    match sign {
        [b'=' | b'!', b'=', ..] => return None,
        [b'=', b'>', ..] | [b':', b'=', ..] => at += 2,
        [b'=' | b':', ..] => at += 1,
        _ if takes_blank && blanks > 0 => {}
        _ => return None,
    }
    skip(&mut at, b" \t", 8);
    skip(&mut at, b"\\", 2);
    let quote = text.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    Some((at + usize::from(quote.is_some()), quote))
}

/// The value that `text` begins with: up to its quote, or as far as no blank or bracket ends it.
fn value(text: &[u8], quote: Option<u8>) -> &[u8] {
    let ends = |byte: u8| match quote {
        Some(quote) => byte == quote || matches!(byte, b'\n' | b'\r' | b'\\'),
        None => byte.is_ascii_whitespace() || b",;\"'`<>}&|)\\".contains(&byte),
    };
    let length = text.iter().take(MAX_VALUE).take_while(|byte| !ends(**byte)).count();
    text.get(..length).unwrap_or_default()
}

fn is_password_like(value: &[u8], syntax: Syntax) -> bool {
    let has = |class: fn(&u8) -> bool| value.iter().any(class);
    let has_letter = has(u8::is_ascii_alphabetic);
    let has_sign = has(|byte| byte.is_ascii_punctuation() && !b"-_./:,".contains(byte));
    let is_mixed = has_letter && (has(u8::is_ascii_digit) || has_sign && syntax == Syntax::Settings);
    is_mixed
        && value.len() >= 8
        && value.iter().all(u8::is_ascii_graphic)
        && bits(value) >= 2.5
        && !is_placeholder(value)
        && !is_call_or_path(value)
        && (segments(value).count() == 1 || !are_words(value))
}

fn is_token_like(value: &[u8], syntax: Syntax) -> bool {
    let min_bits = if syntax == Syntax::Code { 3.4 } else { 3.0 };
    value.len() >= 16
        && value.iter().all(|byte| byte.is_ascii_graphic())
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && bits(value) >= min_bits
        && !is_placeholder(value)
        && !is_call_or_path(value)
        && !are_words(value)
        && !is_uuid(value)
}

/// Beginnings of what names a secret elsewhere, or is a digest.
const POINTERS: [&[u8]; 11] = [
    b"sha256:",
    b"sha512-",
    b"sha256-",
    b"sha1-",
    b"projects/",
    b"arn:",
    b"vault:",
    b"op:",
    b"ENC[",
    b"pbkdf2",
    b"scrypt:",
];

/// An expression, a file, an address, a time, a digest with its name.
fn is_call_or_path(value: &[u8]) -> bool {
    let is_date = matches!(value, [a, b, c, d, b'-', e, f, b'-', ..] if [a, b, c, d, e, f].iter().all(|byte| byte.is_ascii_digit()));
    is_reference(value)
        || is_date
        || value.contains(&b'(')
        || matches!(value.first(), Some(b'/' | b'.' | b'~'))
        || contains(value, b"::")
        || POINTERS.iter().any(|start| value.starts_with(start))
}

fn segments(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| b"-_./:,".contains(byte))
}

/// Whether every part is a word with at most three digits behind it: `my-secret-v1`, `com.shop.AccessToken2`.
fn are_words(value: &[u8]) -> bool {
    segments(value).all(|part| {
        let letters = part.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (letters, digits) = part.split_at_checked(letters).unwrap_or_default();
        let changes = letters
            .windows(2)
            .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() != b.is_ascii_lowercase()));
        // Where every other letter changes its case, nobody wrote a word.
        digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) && changes.count() * 3 <= letters.len()
    })
}

/// RFC 9562. Services use them as keys, and everything else as names: as names far more often.
fn is_uuid(value: &[u8]) -> bool {
    let lengths = value.split(|byte| *byte == b'-').map(<[u8]>::len);
    value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') && lengths.eq([8, 4, 4, 4, 12])
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}
