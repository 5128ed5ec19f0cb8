//! Numbers of things in words.

/// Writes a number of things, whose plural ends in `s`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| count(number, "call")), ["0 calls", "1 call", "2 calls"]);
    }
}
