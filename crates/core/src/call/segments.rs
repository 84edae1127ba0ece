//! A path as segments, each with exactly one reading.
//!
//! Promises: no segment is empty, `.` or `..`, holds a slash (encoded or not),
//! a control character, `;`, `\` or text that is not UTF-8.

use std::borrow::Cow;

use crate::reason::{Reason, Refusal};

/// Bytes; kube-apiserver's longest legal object path is below 1 KiB, proxied paths are longer.
const PATH_BYTES_MAX: usize = 8 * 1024;
/// Segments; far more than any API path has.
const SEGMENTS_MAX: usize = 64;
/// Bytes of an object's name, as for DNS subdomains.
const NAME_BYTES_MAX: usize = 253;
/// Bytes of a DNS label.
const LABEL_BYTES_MAX: usize = 63;

pub(super) fn malformed(what: &str) -> Refusal {
    Refusal::new(Reason::Malformed, "", format!("{what}; send the path as kubectl writes it"))
}

/// The decoded segments of a path as sent. A trailing slash is one empty last
/// segment, which only the tail of a proxied path may have.
pub(super) fn split(path: &str) -> Result<Vec<Cow<'_, str>>, Refusal> {
    if path.len() > PATH_BYTES_MAX {
        return Err(malformed("the path is too long"));
    }
    if path.contains(' ') {
        return Err(malformed("the path has a space"));
    }
    let Some(inner) = path.strip_prefix('/') else {
        return Err(malformed("the path does not begin with `/`"));
    };
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let count = inner.split('/').count();
    if count > SEGMENTS_MAX {
        return Err(malformed("the path has too many segments"));
    }
    let segments: Vec<Cow<'_, str>> = inner.split('/').map(decode).collect::<Result<_, _>>()?;
    let may_end_in_slash = segments.iter().any(|segment| segment == "proxy");
    for (index, segment) in segments.iter().enumerate() {
        let is_end_slash = segment.is_empty() && index + 1 == count && may_end_in_slash;
        if is_end_slash {
            continue;
        }
        check_plain(segment)?;
    }
    Ok(segments)
}

fn check_plain(segment: &str) -> Result<(), Refusal> {
    match segment {
        "" => Err(malformed("the path has an empty segment")),
        "." | ".." => Err(malformed("the path has a dot segment")),
        _ if segment.contains(['/', '\\', ';', '%', '?', '#']) => {
            Err(malformed("the path has a character that can be read in two ways"))
        }
        _ if segment.chars().any(char::is_control) => Err(malformed("the path has a control character")),
        _ => Ok(()),
    }
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Refusal> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    percent_decode(segment.bytes(), false).map(Cow::Owned)
}

/// Percent-decoded text; `+` is a space in queries.
pub(super) fn percent_decode(bytes: impl Iterator<Item = u8>, plus_is_space: bool) -> Result<String, Refusal> {
    let hex = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut bytes = bytes;
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => match (hex(bytes.next()), hex(bytes.next())) {
                (Some(high), Some(low)) => high * 16 + low,
                _ => return Err(malformed("a percent-encoding is incomplete")),
            },
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| malformed("a percent-encoding is not UTF-8"))
}

/// A DNS label: lower-case letters, digits and inner hyphens, at most 63 bytes.
pub(super) fn check_label(what: &str, text: &str) -> Result<(), Refusal> {
    if is_label(text) { Ok(()) } else { Err(malformed(&format!("the {what} is not one Kubernetes can have"))) }
}

fn is_label(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The core group, or DNS labels joined by dots.
pub(super) fn check_group(text: &str) -> Result<(), Refusal> {
    let is_group = text.is_empty() || (text.len() <= NAME_BYTES_MAX && text.split('.').all(is_label));
    if is_group { Ok(()) } else { Err(malformed("the API group is not one Kubernetes can have")) }
}

/// A name that fits one path segment.
pub(super) fn check_name(text: &str) -> Result<(), Refusal> {
    check_plain(text)?;
    if text.len() > NAME_BYTES_MAX { Err(malformed("the name is too long")) } else { Ok(()) }
}

/// What follows the name: a subresource, and after it only a proxied path.
pub(super) fn check_tail(subresource: &str, below: &[&str]) -> Result<(), Refusal> {
    match below {
        [] => Ok(()),
        [first, ..] if *first != subresource || first.is_empty() => Err(malformed("the path has an empty segment")),
        [_] | [_, ..] if subresource == "proxy" || below.len() == 1 => Ok(()),
        _ => Err(malformed("the path goes on after the subresource")),
    }
}
