//! A query string as pairs, and the one parameter that is changed on its way.
//!
//! Promises: a pair that is not changed is handed on byte for byte.

use std::{borrow::Cow, time::Duration};

use percent_encoding::percent_decode_str;

/// kube-apiserver ends watches that ask for no time after 30 to 60 minutes.
const WATCH_BY_ITSELF: Duration = Duration::from_secs(30 * 60);

/// The decoded pairs; text that is not UTF-8 is read with replacement characters.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// The first value of `key`; empty and absent alike.
pub(super) fn first(query: &str, key: &str) -> Option<String> {
    pairs(query).find(|(known, _)| known == key).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Whether `key` is set to true, as kube-apiserver reads it.
pub(super) fn is_true(query: &str, key: &str) -> bool {
    let value = pairs(query).find(|(known, _)| known == key).map(|(_, value)| value);
    value.is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

/// `query` of a watch with a `timeoutSeconds` that does not outlast `left` by more than a second.
pub(super) fn clamp_timeout(query: &str, left: Duration) -> Cow<'_, str> {
    const KEY: &str = "timeoutSeconds";
    let most = left.as_secs().saturating_add(1);
    let asked: Vec<String> = pairs(query).filter(|(key, _)| key == KEY).map(|(_, value)| value).collect();
    let is_short = match asked.as_slice() {
        [] => left > WATCH_BY_ITSELF * 2,
        [one] => one.parse::<u64>().is_ok_and(|seconds| (1..=most).contains(&seconds)),
        _ => false,
    };
    if is_short {
        return Cow::Borrowed(query);
    }
    let kept =
        query.split('&').filter(|pair| !pair.is_empty() && decode(pair.split('=').next().unwrap_or(pair)) != KEY);
    let mut clamped = kept.collect::<Vec<_>>().join("&");
    if !clamped.is_empty() {
        clamped.push('&');
    }
    clamped.push_str(&format!("{KEY}={most}"));
    Cow::Owned(clamped)
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clamp(query: &str, seconds: u64) -> String {
        clamp_timeout(query, Duration::from_secs(seconds)).into_owned()
    }

    #[test]
    fn a_watch_asks_for_no_more_time_than_is_left() {
        assert_eq!(clamp("watch=1&timeoutSeconds=31536000&a=%2f", 60), "watch=1&a=%2f&timeoutSeconds=61");
        assert_eq!(clamp("watch=1&timeoutSeconds=30", 60), "watch=1&timeoutSeconds=30");
        assert_eq!(clamp("watch=1", 60), "watch=1&timeoutSeconds=61");
        assert_eq!(clamp("watch=1&timeout%53econds=9999&timeoutSeconds=5", 60), "watch=1&timeoutSeconds=61");
        assert_eq!(clamp("watch=1&timeoutSeconds=junk", 60), "watch=1&timeoutSeconds=61");
        assert_eq!(clamp("watch=1&timeoutSeconds=0", 60), "watch=1&timeoutSeconds=61");
        assert_eq!(clamp("watch=1", 86_400), "watch=1");
    }

    #[test]
    fn truth_is_read_as_kube_apiserver_reads_it() {
        for query in ["watch=1", "watch=T", "watch=true", "watch", "watch=junk"] {
            assert!(is_true(query, "watch"), "{query}");
        }
        for query in ["", "watch=0", "watch=false", "watch=False", "Watch=1"] {
            assert!(!is_true(query, "watch"), "{query}");
        }
    }
}
