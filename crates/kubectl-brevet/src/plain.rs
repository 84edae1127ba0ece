//! Text from elsewhere, made safe to print.
//!
//! Promises: what leaves here cannot move the cursor, recolour the screen, reverse or hide the text
//! around it: control characters, terminal sequences, bidirectional overrides, invisible characters
//! and line breaks come out as visible escapes. Ordinary text comes out unchanged.
//!
//! Left out on purpose: letters that merely look alike; which of them an approver should distrust is
//! not decided by a printer.

use std::fmt::Write as _;

/// `text` with everything that acts on a terminal escaped, on one line.
pub(crate) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if acts(c) => {
                // Writing into a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Several lines, each of them safe; line breaks stay, because the text is ours and only quotes others'.
pub(crate) fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// JSON or YAML whose strings may hold anything: the characters that act on a terminal become
/// `\uXXXX`, which both formats read back inside double quotes. Line breaks of the layout stay.
pub(crate) fn plain_quoted(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    let mut units = [0_u16; 2];
    for c in document.chars() {
        if c == '\n' || !acts(c) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    safe
}

/// Whether a terminal or a reader's eye is led astray by this character.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}'                  // soft hyphen
            | '\u{034f}'                // grapheme joiner
            | '\u{061c}'                // Arabic letter mark
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers that show nothing
            | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'   // zero widths and direction marks
            | '\u{2028}'..='\u{202e}'   // separators and bidirectional overrides
            | '\u{2060}'..='\u{206f}'   // joiners and isolates
            | '\u{fe00}'..='\u{fe0f}'   // variation selectors
            | '\u{feff}'                // byte order mark
            | '\u{fff9}'..='\u{fffb}'   // annotations
            | '\u{e0000}'..='\u{e0fff}' // tags and more selectors
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        let text = "checkout errors after the 14:05 rollout – Grüße, 東京, \\o/ `x`";
        assert_eq!(plain(text), text);
    }

    #[test]
    fn terminal_sequences_become_visible() {
        assert_eq!(plain("\u{1b}[2K\u{1b}[1Aapproved"), "\\u{1b}[2K\\u{1b}[1Aapproved");
        assert_eq!(plain("\u{9b}31m\u{7f}\u{0}\u{8}"), "\\u{9b}31m\\u{7f}\\u{0}\\u{8}");
        assert_eq!(plain("a\r\nb\tc"), "a\\r\\nb\\tc");
    }

    #[test]
    fn bidirectional_overrides_and_invisible_characters_become_visible() {
        assert_eq!(plain("view\u{202e}sterces\u{202c}"), "view\\u{202e}sterces\\u{202c}");
        assert_eq!(
            plain("a\u{2066}b\u{2069}c\u{200b}d\u{feff}e\u{e0041}"),
            "a\\u{2066}b\\u{2069}c\\u{200b}d\\u{feff}e\\u{e0041}"
        );
    }

    #[test]
    fn a_document_reads_back_as_it_was() {
        let value = serde_json::json!({"reason": "\u{9b}31m \u{202e} \u{e0041} \n \u{7f} 東京"});
        let text = plain_quoted(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && acts(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
