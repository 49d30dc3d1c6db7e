//! The GNU licences: everyone abbreviates them (`GPLv2+`, `LGPL-2.1`, `GNU General Public License v3 or later`).

/// The SPDX id. A version without `or later` is that version only; without any version, the recipient may choose any that was ever
/// published (GPL-3.0, section 14).
pub(super) fn id(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let mut family = None;
    let mut version = None;
    let mut or_later = text.contains('+') || text.contains(">=");
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| !word.is_empty()) {
        let split = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
        let (letters, digits) = word.split_at(split);
        let named = match letters.strip_suffix('v').unwrap_or(letters) {
            "agpl" | "affero" => Some("AGPL"),
            "lgpl" | "lesser" | "library" => Some("LGPL"),
            "gfdl" | "fdl" | "documentation" => Some("GFDL"),
            "gpl" => Some("GPL"),
            "general" if digits.is_empty() => Some("GPL"),
            "" | "gnu" | "public" | "free" | "license" | "licence" | "version" | "the" | "only" | "or"
            | "any" | "at" | "your" | "option" => None,
            "later" | "newer" | "higher" | "greater" => {
                or_later = true;
                None
            }
            _ => return None,
        };
        // "Lesser General": the first word tells.
        family = family.or(named);
        if !digits.is_empty() {
            version = version.or_else(|| Some(digits.trim_end_matches('.').to_owned()));
        }
    }
    let family = family?;
    or_later |= version.is_none();
    let oldest = match family {
        "LGPL" => "2.0",
        "GFDL" => "1.1",
        _ => "1.0",
    };
    let mut version = version.unwrap_or_else(|| oldest.to_owned());
    if !version.contains('.') {
        version.push_str(if family == "GFDL" { ".1" } else { ".0" });
    }
    let id = format!("{family}-{version}-{}", if or_later { "or-later" } else { "only" });
    spdx::license_id(&id).map(|id| id.name.to_owned())
}
