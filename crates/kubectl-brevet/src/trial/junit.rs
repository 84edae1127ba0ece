//! The same report as build servers read it: JUnit's XML.
//!
//! Promises: well-formed whatever a case is called; what XML cannot hold is left out.

use super::report::Report;

/// A suite for each file, a case for each case.
pub(crate) fn junit(report: &Report) -> String {
    let mut files: Vec<&str> = report.cases.iter().map(|case| case.file.as_str()).collect();
    files.dedup();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failed = report.failed().count();
    text.push_str(&format!("<testsuites tests=\"{}\" failures=\"{failed}\">\n", report.cases.len()));
    for file in files {
        let cases: Vec<_> = report.cases.iter().filter(|case| case.file == file).collect();
        let failed = cases.iter().filter(|case| !case.passed).count();
        let suite = format!("name=\"{}\" tests=\"{}\" failures=\"{failed}\"", escaped(file), cases.len());
        text.push_str(&format!("  <testsuite {suite}>\n"));
        for case in cases {
            let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(file), escaped(&case.name));
            if case.passed {
                text.push_str(&format!("{head}/>\n"));
                continue;
            }
            let lines = case.lines();
            let first = lines.first().map(String::as_str).unwrap_or_default();
            text.push_str(&format!("{head}>\n      <failure message=\"{}\">", escaped(first)));
            text.push_str(&escaped(&lines.join("\n")));
            text.push_str("</failure>\n    </testcase>\n");
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_document() {
        assert_eq!(escaped("a<b>&\"c\"\u{1b}[2J\u{0}"), "a&lt;b&gt;&amp;&quot;c&quot;[2J");
    }
}
