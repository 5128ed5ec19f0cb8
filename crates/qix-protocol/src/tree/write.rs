//! From tree to text.

use std::fmt;

use smol_str::{SmolStr, format_smolstr};

use super::{Members, Node, Tree, escaped};

impl Tree {
    /// Writes the value without white space.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Node::Scalar(text) => out.extend_from_slice(text.as_bytes()),
            Node::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write(out);
                }
                out.push(b']');
            }
            Node::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.push(b'"');
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(b"\":");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Returns the text that every way of writing this value has in common: members sorted by name, strings escaped one way,
    /// no white space. Numbers stay as written.
    pub fn canonical(&self) -> String {
        self.sorted().to_string()
    }

    fn sorted(&self) -> Self {
        match &self.0 {
            Node::Scalar(text) => match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(inside) if inside.contains('\\') => {
                    Self(Node::Scalar(format_smolstr!("\"{}\"", one_escaping(inside))))
                }
                _ => self.clone(),
            },
            Node::Array(elements) => Self::array(elements.iter().map(Self::sorted).collect()),
            Node::Object(members) => {
                let mut sorted: Vec<_> =
                    members.iter().map(|(name, value)| (one_escaping(name), value)).collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                let mut members = Members::default();
                for (name, value) in sorted {
                    members.push(name, value.sorted());
                }
                Self::object(members)
            }
        }
    }
}

/// Strings that hold half a surrogate pair are no strings to `serde_json`; there is one way of writing them.
fn one_escaping(inside: &str) -> SmolStr {
    if !inside.contains('\\') {
        return inside.into();
    }
    serde_json::from_str::<String>(&format!("\"{inside}\""))
        .map_or_else(|_| inside.into(), |meant| escaped(&meant))
}

impl fmt::Display for Tree {
    /// Writes the value as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_is_the_same_for_every_way_of_writing() {
        let one = Tree::parse(r#"{"b":"é","a":[1, {"y":1,"x":2}]}"#.as_bytes()).unwrap();
        let two = Tree::parse(br#"{ "a":[1,{"x":2,"y":1}] ,"\u0062":"\u00e9"}"#).unwrap();
        assert_eq!(one.canonical(), two.canonical());
        assert_eq!(one.canonical(), r#"{"a":[1,{"x":2,"y":1}],"b":"é"}"#);
    }

    #[test]
    fn strings_with_half_a_surrogate_pair_stay_apart() {
        let canonical = |text: &str| Tree::parse(text.as_bytes()).unwrap().canonical();
        assert_ne!(canonical(r#""\ud800""#), canonical(r#""\ud801""#));
    }

    #[test]
    fn strings_are_escaped_where_json_asks_for_it() {
        assert_eq!(Tree::string("a\"\n\\é").to_string(), r#""a\"\n\\é""#);
    }
}
