//! Tokens of services that applications talk to. Forms: the services' documentation of their keys; JWT: RFC 7519.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Candidate, Certainty, Spot,
    placeholder::is_sample_token,
    randomness::bits,
    token::{Token, alphanumeric, base64url, dotted, hex, run, upper},
};

pub(super) const TOKENS: &[Token] = &[
    Token::new("slack-token", "xoxb-", base64url, 24..=120).only_if(has_numbers),
    Token::new("slack-token", "xoxp-", base64url, 24..=120).only_if(has_numbers),
    Token::new("slack-token", "xoxa-", base64url, 24..=120).only_if(has_numbers),
    Token::new("slack-token", "xoxs-", base64url, 24..=120).only_if(has_numbers),
    Token::new("slack-token", "xoxe-", base64url, 24..=200).only_if(has_numbers),
    Token::new("slack-token", "xapp-", base64url, 24..=160).only_if(has_numbers),
    Token::new("slack-webhook", "hooks.slack.com/services/", slashed, 40..=60)
        .only_if(|path| path.starts_with(b"T") && path.split(|byte| *byte == b'/').count() == 3),
    Token::new("stripe-key", "sk_live_", alphanumeric, 24..=247),
    Token::new("stripe-key", "rk_live_", alphanumeric, 24..=247),
    Token::new("sendgrid-key", "SG.", dotted, 66..=66).only_if(|key| key.get(22) == Some(&b'.')),
    Token::new("anthropic-key", "sk-ant-", base64url, 60..=128),
    Token::new("shopify-token", "shpat_", hex, 32..=32),
    Token::new("grafana-token", "glsa_", base64url_with_underscore, 41..=46),
    Token::new("age-secret-key", "AGE-SECRET-KEY-1", upper, 58..=58),
    Token::new("jwt", "eyJh", dotted, 40..=4_000).only_if(|rest| is_jwt(b"eyJh", rest)),
    Token::new("jwt", "eyJ0", dotted, 40..=4_000).only_if(|rest| is_jwt(b"eyJ0", rest)),
    Token::new("jwt", "eyJr", dotted, 40..=4_000).only_if(|rest| is_jwt(b"eyJr", rest)),
];

/// What newer keys of OpenAI and its followers carry in their middle.
pub(super) const OPENAI: &str = "T3BlbkFJ";

pub(super) fn openai(spot: &Spot<'_>) -> Option<Candidate> {
    let head = spot.before().iter().rev().take(100).take_while(|byte| base64url(**byte)).count();
    let start = spot.at.checked_sub(head)?;
    let tail = run(spot.after(), base64url, 100);
    let value = start..spot.end() + tail.len();
    let text = spot.text.get(value.clone())?;
    let is_one = text.starts_with(b"sk-")
        && head >= 20
        && tail.len() >= 20
        && bits(tail) >= 3.0
        && !is_sample_token(tail);
    is_one.then_some(Candidate { rule: "openai-key", value, certainty: Certainty::Random })
}

fn slashed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'/'
}

fn base64url_with_underscore(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Slack's tokens begin with numbers that tell workspace and user.
fn has_numbers(token: &[u8]) -> bool {
    token.iter().filter(|byte| byte.is_ascii_digit()).count() >= 8
}

/// Three parts, the first an object that names an algorithm other than `none`, the second an object.
fn is_jwt(prefix: &[u8], rest: &[u8]) -> bool {
    let mut parts = rest.split(|byte| *byte == b'.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let header = URL_SAFE_NO_PAD.decode([prefix, header].concat()).unwrap_or_default();
    let names_algorithm = memchr::memmem::find(&header, b"\"alg\"").is_some();
    names_algorithm && claims.starts_with(b"eyJ") && signature.len() >= 20
}
