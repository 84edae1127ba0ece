//! Names with `*`: `shop-*` is every name that begins with the segment `shop`
//! and goes on.
//!
//! Promises: `*` stands for one or more whole segments (what hyphens divide),
//! never for a part of one, so `shop-*` is neither `shop` nor `shopping-eu`.
//! `*` alone is every name.

use std::fmt;

/// A name, or a pattern of whole segments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(String);

impl Glob {
    /// Reads a pattern; `None` where `*` is only part of a segment, or the text is empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_whole = |segment: &str| segment == "*" || !segment.contains('*');
        (!text.is_empty() && text.split('-').all(is_whole)).then(|| Self(text.to_owned()))
    }

    /// Whether the name is of this pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if !self.0.contains('*') {
            return self.0 == name;
        }
        // The classic walk with one point of return: the last `*`.
        let (pattern, name): (Vec<&str>, Vec<&str>) = (self.0.split('-').collect(), name.split('-').collect());
        let (mut at, mut seen, mut back) = (0, 0, None);
        loop {
            match (pattern.get(at), name.get(seen)) {
                (None, None) => return true,
                (Some(&"*"), Some(_)) => {
                    (at, seen) = (at + 1, seen + 1);
                    back = Some((at, seen));
                }
                (Some(segment), Some(part)) if segment == part => (at, seen) = (at + 1, seen + 1),
                (_, _) => {
                    let Some((star, taken)) = back.filter(|(_, taken)| *taken < name.len()) else { return false };
                    (at, seen) = (star, taken + 1);
                    back = Some((star, taken + 1));
                }
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_is_whole_segments() {
        for (pattern, name, expected) in [
            ("shop", "shop", true),
            ("shop", "shop-eu", false),
            ("shop-*", "shop-eu", true),
            ("shop-*", "shop-eu-1", true),
            ("shop-*", "shop", false),
            ("shop-*", "shopping", false),
            ("shop-*", "shopping-eu", false),
            ("*-prod", "shop-eu-prod", true),
            ("*-prod", "prod", false),
            ("*-prod", "shop-prod-1", false),
            ("a-*-z", "a-b-c-z", true),
            ("a-*-z", "a-z", false),
            ("a-*-z", "a-z-z", true),
            ("*-a-*", "a-a-a", true),
            ("*", "anything-at-all", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        for bad in ["", "sh*p", "shop*", "**", "shop-**", "*shop"] {
            assert_eq!(Glob::parse(bad), None, "{bad}");
        }
    }

    /// The meaning, said slowly.
    fn slowly(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((&"*", rest)), Some((_, _))) => (1..=name.len()).any(|taken| slowly(rest, &name[taken..])),
            (Some((segment, rest)), Some((part, others))) => segment == part && slowly(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_reading(pattern in "[ab*](-[ab*]){0,5}", name in "[ab](-[ab]){0,6}") {
            let glob = Glob::parse(&pattern).unwrap();
            let (segments, parts): (Vec<_>, Vec<_>) = (pattern.split('-').collect(), name.split('-').collect());
            prop_assert_eq!(glob.matches(&name), slowly(&segments, &parts));
        }

        #[test]
        fn never_panics(pattern in "\\PC{0,12}", name in "\\PC{0,12}") {
            if let Some(glob) = Glob::parse(&pattern) {
                let _ = glob.matches(&name);
            }
        }
    }
}
