//! Secrets that their place tells: the password in a URL, the encoded pair in a docker or npm configuration.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;

use super::{
    Candidate, Certainty, Spot,
    placeholder::is_placeholder,
    token::{base64, run},
};

pub(super) const URL: &str = "://";
pub(super) const DOCKER_AUTH: &str = "\"auth\"";
pub(super) const NPM_AUTH: &str = "_auth";

/// The longest `user:password` of a URL that is looked at, in bytes.
const MAX_USER_INFO: usize = 200;

/// Hosts of documentation (RFC 2606) and of this machine.
const NOWHERE: [&[u8]; 7] = [b"example.", b"localhost", b"127.0.0.1", b"host", b"test.", b"your", b"..."];

/// `scheme://user:password@host` (RFC 3986, 3.2.1).
pub(super) fn url(spot: &Spot<'_>) -> Option<Candidate> {
    if !spot.before().last()?.is_ascii_alphanumeric() {
        return None;
    }
    let authority = run(
        spot.after(),
        |byte| byte.is_ascii_graphic() && !br#"/"'`<>\^?,;"#.contains(&byte),
        MAX_USER_INFO,
    );
    let at = memchr::memrchr(b'@', authority)?;
    let (user_info, host) = (authority.get(..at)?, authority.get(at + 1..)?);
    let colon = memchr::memchr(b':', user_info)?;
    let (user, password) = (user_info.get(..colon)?, user_info.get(colon + 1..)?);
    if password.is_empty() {
        return None;
    }
    let is_sample = password.len() < 6
        || password == user
        || is_placeholder(password)
        || password.contains(&b'$')
        || password.contains(&b'{')
        || matches!(
            password.to_ascii_lowercase().as_slice(),
            b"secret" | b"passwd" | b"pass123" | b"token" | b"supersecret" | b"postgres"
        )
        || NOWHERE
            .iter()
            .any(|nowhere| host.starts_with(nowhere) || memmem::find(host, b".example").is_some());
    let start = spot.end() + colon + 1;
    Some(Candidate {
        rule: "basic-auth-url",
        value: start..start + password.len(),
        certainty: if is_sample { Certainty::Suspicious } else { Certainty::Guessable },
    })
}

/// `"auth": "BASE64"` of a docker configuration file.
pub(super) fn docker_auth(spot: &Spot<'_>) -> Option<Candidate> {
    encoded_pair(spot, "docker-config-auth", b":", b" \t\n\r\"")
}

/// `_auth=BASE64` of an npm configuration.
pub(super) fn npm_auth(spot: &Spot<'_>) -> Option<Candidate> {
    encoded_pair(spot, "npmrc-auth", b"=", b" \t\"'")
}

/// base64 of `user:password` behind the sign of an assignment.
fn encoded_pair(spot: &Spot<'_>, rule: &'static str, sign: &[u8], gap: &[u8]) -> Option<Candidate> {
    let blank = |text: &[u8]| text.iter().take(16).take_while(|byte| gap.contains(byte)).count();
    let before = blank(spot.after());
    let rest = spot.after().get(before..)?.strip_prefix(sign)?;
    let after = blank(rest);
    let value = run(rest.get(after..)?, base64, 1_024);
    let pair = STANDARD.decode(value).ok()?;
    let (user, password) = pair.split_at_checked(memchr::memchr(b':', &pair)?)?;
    let password = password.get(1..)?;
    if user.is_empty() || password.is_empty() || !pair.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return None;
    }
    let start = spot.end() + before + sign.len() + after;
    Some(Candidate {
        rule,
        value: start..start + value.len(),
        certainty: if password.len() < 6 || is_placeholder(password) {
            Certainty::Suspicious
        } else {
            Certainty::Guessable
        },
    })
}
