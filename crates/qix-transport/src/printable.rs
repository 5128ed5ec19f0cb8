//! Text of others as a terminal can show it.

/// Returns `text` cut to `max` characters, each that could move the cursor, colour the screen or turn the direction of writing
/// replaced by U+FFFD.
///
/// For whatever a peer wrote that goes into messages, logs and reports: close reasons, error texts, names in certificates.
///
/// ```
/// use qix_transport::printable;
///
/// assert_eq!(printable("a\u{1b}[2J\nb", 5), "a\u{fffd}[2J");
/// ```
pub fn printable(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect()
}

/// Bidirectional marks, embeddings, overrides and isolates (UAX #9) and separators of lines and paragraphs control too.
fn is_shown(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_replaced_and_all_else_kept() {
        assert_eq!(printable("\u{1b}[2J\r\n\t\u{9b}\u{202e}\u{2069}", 100).matches('\u{fffd}').count(), 7);
        let plain = "Zürich – 東京 → {\"code\":1}";
        assert_eq!(printable(plain, 100), plain);
        assert_eq!(printable(plain, 2), "Zü");
    }
}
