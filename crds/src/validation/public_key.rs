use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::problem::Fault;

/// Whether this is a PEM `PUBLIC KEY` (RFC 7468 §13) around a DER sequence that is as long as it says. Which algorithms are taken is
/// the verifier's business.
pub(super) fn check(pem: &str) -> Result<(), Fault> {
    let body = pem
        .trim_end_matches('\n')
        .strip_prefix("-----BEGIN PUBLIC KEY-----\n")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or(Fault::PublicKey)?;
    let der = STANDARD.decode(body.replace('\n', "")).map_err(|_| Fault::PublicKey)?;
    let length = match der.as_slice() {
        [0x30, length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest.len()),
        [0x30, 0x81, length, rest @ ..] => (usize::from(*length), rest.len()),
        [0x30, 0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest.len()),
        _ => return Err(Fault::PublicKey),
    };
    if length.0 == length.1 { Ok(()) } else { Err(Fault::PublicKey) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn keys() {
        let p256 = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEa/659hkrTPWYKf/9590/FJyU7jHj\n\
                    lAnsIVt/fjiUUXHHrHkqtir36R2gH6qV9syeYRF1GjdRGDKVcRPJ6jwGYw==\n-----END PUBLIC KEY-----\n";
        assert!(check(p256).is_ok());
        assert!(check(&p256.replace("MFkw", "MFow")).is_err());
        assert!(check("-----BEGIN PUBLIC KEY-----\nnot base64!\n-----END PUBLIC KEY-----\n").is_err());
        assert!(check("").is_err());
    }
}
