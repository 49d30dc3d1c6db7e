//! What stands in documentation and templates where a secret would stand.

use memchr::memmem;

use super::randomness::is_sequence;

/// Words that no generated token contains by chance, and that documentation writes into tokens.
const IN_TOKENS: [&str; 10] = [
    "example",
    "xxxx",
    "placeholder",
    "redacted",
    "000000",
    "dummy",
    "yourtoken",
    "your_",
    "your-",
    "fakefake",
];

/// Words that passwords of templates contain.
const IN_PASSWORDS: [&str; 27] = [
    "example",
    "xxxx",
    "placeholder",
    "redacted",
    "changeme",
    "change_me",
    "change-me",
    "changeit",
    "dummy",
    "your",
    "sample",
    "insert",
    "replace",
    "default",
    "enter",
    "todo",
    "****",
    "....",
    "secret_here",
    "mypass",
    "fake",
    "undefined",
    "not-set",
    "notset",
    "password",
    "passw0rd",
    "deadbeef",
];

/// Whether a token of a known form is one that documentation shows.
pub(super) fn is_sample_token(value: &[u8]) -> bool {
    is_sequence(value) || contains(value, &IN_TOKENS)
}

/// Whether the value of an assignment or a URL's password stands for one.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    is_sequence(value) || contains(value, &IN_PASSWORDS) || is_reference(value)
}

/// Whether a value is filled in from elsewhere: a variable, a template, a format, a tag.
pub(super) fn is_reference(value: &[u8]) -> bool {
    let opens = matches!(
        value.first(),
        Some(b'$' | b'%' | b'@' | b'<' | b'{' | b'[' | b'(' | b'*' | b'#' | b'&' | b'!')
    );
    let templates: [&[u8]; 7] = [b"${", b"$(", b"{{", b"<%", b"#{", b"%(", b"://"];
    opens || templates.iter().any(|template| memmem::find(value, template).is_some())
}

fn contains(value: &[u8], words: &[&str]) -> bool {
    let lower = value.to_ascii_lowercase();
    words.iter().any(|word| memmem::find(&lower, word.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_no_secrets() {
        for value in [
            "changeme",
            "${DB_PASSWORD}",
            "<password>",
            "{{ .Values.token }}",
            "xxxxxxxx",
            "your-api-key",
            "%(pw)s",
            "abcdefgh",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        assert!(!is_placeholder(b"tr0ub4dor&3"));
        assert!(is_sample_token(b"IOSFODNN7EXAMPLE"));
        assert!(!is_sample_token(b"Q3XZ7LPWMVK2TY9D"));
    }
}
