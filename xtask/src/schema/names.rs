//! From names on the wire to names in Rust.

use heck::{ToSnakeCase, ToUpperCamelCase};

/// Words that Rust keeps for itself, in any edition.
const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// The name of a field: without the `q`, in snake case.
pub(super) fn field(wire: &str) -> String {
    let bare = wire.strip_prefix('q').filter(|rest| !rest.is_empty()).unwrap_or(wire);
    escape(bare.to_snake_case())
}

/// The name of a method.
pub(super) fn method(name: &str) -> String {
    // The names of hypercubes and their like are one word in the field.
    escape(name.replace("HyperCube", "Hypercube").to_snake_case())
}

/// The name of a module for a class.
pub(super) fn module(class: &str) -> String {
    escape(class.to_snake_case())
}

/// The names of the options of an enumeration, from their symbols: without the words that all begin with.
pub(super) fn variants(symbols: &[&str]) -> Vec<String> {
    let words: Vec<Vec<&str>> = symbols.iter().map(|symbol| symbol.split('_').collect()).collect();
    let mut shared = match words.as_slice() {
        // Nothing to compare with.
        [] | [_] => 0,
        [first, others @ ..] => (0..first.len())
            .take_while(|at| others.iter().all(|other| other.get(*at) == Some(&first[*at])))
            .count(),
    };
    let bad = |word: &&str| word.is_empty() || word.starts_with(|first: char| first.is_ascii_digit());
    // Each must keep a word to begin with.
    while shared > 0 && words.iter().any(|words| words.get(shared).is_none_or(bad)) {
        shared -= 1;
    }
    words.iter().map(|words| variant(&words[shared..].join("_"))).collect()
}

/// The name of an option of an enumeration. `Other` is what the enumeration itself calls a text that it does not know.
fn variant(symbol: &str) -> String {
    let name = symbol.to_upper_camel_case();
    if name == "Other" { "Other_".to_owned() } else { escape(name) }
}

fn escape(name: String) -> String {
    if KEYWORDS.contains(&name.as_str()) { name + "_" } else { name }
}

/// Whether a name from the overrides can stand in Rust.
pub(super) fn is_valid(name: &str) -> bool {
    !KEYWORDS.contains(&name)
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && name != "_"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lose_their_q_and_get_snake_case() {
        for (wire, name) in [
            ("qElemNumber", "elem_number"),
            ("qcx", "cx"),
            ("qv", "v"),
            ("qnDec", "n_dec"),
            ("qlineIx", "line_ix"),
            ("qKB", "kb"),
            ("qBit32", "bit32"),
            ("qUpdateMRU", "update_mru"),
            ("qSrcAppID", "src_app_id"),
            ("qType", "type_"),
            ("qMatch", "match_"),
            ("qReturn", "return_"),
            ("q", "q"),
            ("title", "title"),
        ] {
            assert_eq!(field(wire), name);
        }
        assert_eq!(module("GenericObject"), "generic_object");
    }

    #[test]
    fn options_lose_the_words_that_all_begin_with() {
        assert_eq!(variants(&["DATA_MODE_STRAIGHT", "DATA_MODE_PIVOT_STACK"]), ["Straight", "PivotStack"]);
        assert_eq!(
            variants(&["EXCL_LOCKED", "EXCL_SELECTED", "NSTATES"]),
            ["ExclLocked", "ExclSelected", "Nstates"]
        );
        assert_eq!(variants(&["AVERAGE", "Polynomial2"]), ["Average", "Polynomial2"]);
    }

    #[test]
    fn options_keep_a_word_to_begin_with() {
        assert_eq!(variants(&["CONNECT_DEFAULT", "CONNECT_64"]), ["ConnectDefault", "Connect64"]);
        assert_eq!(variants(&["ONE_AND_ONLY_ONE"]), ["OneAndOnlyOne"]);
        assert_eq!(variants(&["CALL", "CALL_AGAIN"]), ["Call", "CallAgain"]);
    }

    #[test]
    fn options_do_not_take_names_with_a_meaning() {
        assert_eq!(variants(&["X_OTHER", "X_SELF", "X_NONE"]), ["Other_", "Self_", "None"]);
    }
}
