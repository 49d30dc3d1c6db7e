//! Private keys in PEM (RFC 7468; OpenPGP's armour, RFC 9580 6.2), and where kubeconfig files carry them.

use super::{
    Candidate, Certainty, Spot,
    randomness::bits,
    token::{base64, run},
};

pub(super) const PEM: &str = "PRIVATE KEY";
pub(super) const CLIENT_KEY: &str = "client-key-data";

/// The shortest key, in letters of base64: Ed25519 in PKCS #8 has 64.
const MIN_KEY: usize = 60;
/// Letters of a key's body that are looked at and go into its fingerprint: the same however the file is cut into pieces.
const KEY_HEAD: usize = 400;

/// A header of its own, followed by a body that is one. A header inside source code or a truncated sample has no such body.
pub(super) fn pem(spot: &Spot<'_>) -> Option<Candidate> {
    let label_start = memchr::memmem::rfind(spot.before(), b"-----BEGIN ")?;
    let label = spot.before().get(label_start + 11..)?;
    if label.len() > 20
        || !label.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9'))
    {
        return None;
    }
    let rest = spot.after();
    let rest = rest.strip_prefix(b" BLOCK").unwrap_or(rest).strip_prefix(b"-----")?;
    let start = spot.text.len().checked_sub(rest.len())?;
    let (body, end, is_encrypted) = body(rest);
    let ends_well = body.len() >= KEY_HEAD || rest.get(end..).is_some_and(|rest| rest.starts_with(b"--"));
    if body.len() < MIN_KEY || !ends_well || bits(&body) < 3.5 {
        return None;
    }
    let is_encrypted = is_encrypted || label.starts_with(b"ENCRYPTED");
    let line = spot.before().get(..label_start).unwrap_or_default();
    let rule = if is_encrypted {
        "encrypted-private-key"
    } else if memchr::memmem::find(line, b"\"private_key\"").is_some() {
        "gcp-service-account-key"
    } else {
        "private-key"
    };
    Some(Candidate { rule, value: start..start + end, certainty: Certainty::Random })
}

/// The base64 letters behind the header, without line ends, be they escaped, and headers; where they end; whether a header says that
/// the key is encrypted.
fn body(text: &[u8]) -> (Vec<u8>, usize, bool) {
    let mut body = Vec::new();
    let mut is_encrypted = false;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|_| body.len() < KEY_HEAD) {
        let escape = [b"\\n".as_slice(), b"\\r"].into_iter().find(|escape| rest.starts_with(escape));
        match (rest.first(), escape) {
            (_, Some(escape)) => at += escape.len(),
            (Some(b'\n' | b'\r' | b' ' | b'\t'), _) => at += 1,
            (Some(first), _) if base64(*first) => {
                let line = run(rest, base64, KEY_HEAD - body.len());
                // `Proc-Type: 4,ENCRYPTED`, `DEK-Info: …`, `Version: …`, `Comment: …`
                let is_header = matches!(rest.get(line.len()), Some(b':'))
                    || matches!(rest.get(line.len()..), Some([b'-', next, ..]) if next.is_ascii_alphabetic());
                if is_header {
                    let end = memchr::memchr2(b'\n', b'\\', rest).unwrap_or(rest.len());
                    let header = rest.get(..end).unwrap_or_default();
                    is_encrypted |= memchr::memmem::find(header, b"ENCRYPTED").is_some();
                    at += end.max(1);
                } else {
                    body.extend_from_slice(line);
                    at += line.len();
                }
            }
            _ => break,
        }
    }
    (body, at, is_encrypted)
}

/// `client-key-data: BASE64` of a PEM key, as kubeconfig files carry it.
pub(super) fn kubeconfig(spot: &Spot<'_>) -> Option<Candidate> {
    let after = spot.after();
    let gap = after.iter().take(4).take_while(|byte| matches!(byte, b':' | b' ' | b'"')).count();
    let value = run(after.get(gap..)?, base64, KEY_HEAD);
    // "-----BEGIN "
    let is_one = value.len() >= 100 && value.starts_with(b"LS0tLS1CRUdJTi");
    let start = spot.end() + gap;
    is_one.then(|| Candidate {
        rule: "kubeconfig-client-key",
        value: start..start + value.len(),
        certainty: Certainty::Random,
    })
}
