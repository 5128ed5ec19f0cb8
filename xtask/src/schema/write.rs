//! Rust text: documentation comments, and lines of macro bodies, which rustfmt leaves alone.

use super::model::Stability;

/// As `max_width` in rustfmt.toml.
const WIDTH: usize = 110;

/// Where the engine's interface is documented (seen in links of the public documentation to itself).
const PAGES: &str = "https://qlik.dev/apis/json-rpc/qix";

/// A file in the making.
#[derive(Default)]
pub(super) struct Text {
    pub(super) out: String,
}

impl Text {
    /// Adds a line.
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.out.extend(std::iter::repeat_n("    ", indent));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// Adds a documentation comment of one paragraph, in lines that fit.
    pub(super) fn doc(&mut self, indent: usize, text: &str) {
        if text.is_empty() {
            return self.line(indent, "///");
        }
        let width = WIDTH - 4 * indent - "/// ".len();
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.len() + 1 + word.len() > width {
                self.line(indent, &format!("/// {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(indent, &format!("/// {line}"));
    }

    /// Adds a line of the form `head tail`, in two lines if it is too long.
    pub(super) fn pair(&mut self, indent: usize, head: &str, tail: &str) {
        if 4 * indent + head.len() + 1 + tail.len() <= WIDTH {
            self.line(indent, &format!("{head} {tail}"));
        } else {
            self.line(indent, head);
            self.line(indent + 1, tail);
        }
    }
}

/// Sentences on how firm something is; `default` is what holds if it does not say.
pub(super) fn standing(stability: Option<Stability>, default: Stability, deprecated: bool) -> String {
    let word = match stability.unwrap_or(default) {
        Stability::Locked => "locked",
        Stability::Stable => "stable",
        Stability::Experimental => "experimental",
    };
    format!("Stability: {word}.{}", if deprecated { " Deprecated." } else { "" })
}

/// The official page of a type.
pub(super) fn type_page(name: &str) -> String {
    format!("<{PAGES}/schemas/#{}>", name.to_lowercase())
}

/// The official page of a method.
pub(super) fn method_page(class: &str, name: &str) -> String {
    format!("<{PAGES}/{}/#{}>", class.to_lowercase(), name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_long() {
        let mut text = Text::default();
        text.doc(1, &"word ".repeat(60));
        text.pair(1, "Name = 1,", &"x".repeat(100));
        assert!(text.out.lines().all(|line| line.len() <= WIDTH));
        assert!(text.out.lines().count() > 4);
    }
}
