//! What the benches share: bare programs to compare with, child processes, same-round ratios.
//!
//! A bench runs itself again as a child for each server, so that the CPU time of the process under test is its own. Absolute
//! times prove nothing on shared machines: peers take turns within each round, and the median of the rounds' ratios counts.

pub mod bare;
pub mod canned;
pub mod child;
pub mod enigma;
pub mod layouts;
pub mod measure;
pub mod objects;
pub mod peer;
pub mod rival;
pub mod updates;

/// The engine's answer to a small call.
pub const SMALL_RESULT: &str = r#"{"qVersion":{"qComponentVersion":"12.2528.0"}}"#;

/// The size of a large answer, in bytes: a hypercube of 11 MB.
pub const LARGE: usize = 11 << 20;

/// The size of an answer in the middle, in bytes: a layout.
pub const MEDIUM: usize = 300 << 10;

/// Makes a result of at least so many bytes, shaped like hypercube cells.
pub fn result_of(bytes: usize) -> String {
    let mut text = String::from(r#"{"qDataPages":[{"qMatrix":["#);
    let mut row = 0u64;
    while text.len() < bytes {
        if row > 0 {
            text.push(',');
        }
        let number = row * 7919 % 1_000_003;
        text += &format!(
            r#"[{{"qText":"Customer {row}","qNum":"NaN","qElemNumber":{row},"qState":"O"}},{{"qText":"{number}.50","qNum":{number}.5,"qElemNumber":0,"qState":"L","qIsNumeric":true}}]"#
        );
        row += 1;
    }
    text + "]}]}"
}
