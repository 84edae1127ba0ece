//! The name of a request, as people and scripts type it.
//!
//! Promises: what is read is a Kubernetes object name, so it cannot lead out of a folder or a path;
//! `accessrequest.brevet.dev/NAME`, which `-o name` prints, is taken as NAME.
//!
//! Left out on purpose: whether there is such a request.

/// What may stand before the name.
const KINDS: [&str; 10] = [
    "accessrequest",
    "accessrequests",
    "accessrequest.brevet.dev",
    "accessrequests.brevet.dev",
    "accessgrant.brevet.dev",
    "accessgrants.brevet.dev",
    "request.sessions.brevet.dev",
    "requests.sessions.brevet.dev",
    "grant.sessions.brevet.dev",
    "grants.sessions.brevet.dev",
];

/// The longest name of an object.
const NAME_CHARS_MAX: usize = 253;

/// Reads `NAME` or `KIND/NAME`.
pub(super) fn read(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        Some((kind, name)) if KINDS.contains(&kind) => name,
        _ => text,
    };
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_sound = !name.is_empty()
        && name.len() <= NAME_CHARS_MAX
        && name.chars().all(|c| is_inner(c) || c == '-' || c == '.')
        && name.starts_with(is_inner)
        && name.ends_with(is_inner)
        && !name.contains("..");
    if is_sound { Ok(name.to_owned()) } else { Err("names hold lower-case letters, digits, `-` and `.`".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_name_never_leads_out_of_a_folder() {
        for text in ["", "..", "../x", "a/b", "/etc/passwd", ".x", "x.", "a..b", "X", "a b", "-x", "x\u{0}", "pods/x"] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read(&format!("accessrequest.brevet.dev/{}", "../x")).is_err());
    }

    #[test]
    fn what_o_name_prints_is_taken() {
        for text in [
            "view-logs-x7k2p",
            "accessrequest.brevet.dev/view-logs-x7k2p",
            "requests.sessions.brevet.dev/view-logs-x7k2p",
        ] {
            assert_eq!(read(text).unwrap(), "view-logs-x7k2p");
        }
    }
}
