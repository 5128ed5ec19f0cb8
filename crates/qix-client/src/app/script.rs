//! The script of an app, by its sections.

use std::{convert::Infallible, fmt, str::FromStr};

use qix_protocol::schema::ScriptSyntaxError;

use crate::{Doc, Error};

/// A script, by the sections that editors show as tabs. `Display` writes it as it was read, byte for byte.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// What stands before the first section; empty in scripts that editors have made.
    pub preamble: String,
    /// The sections, in order.
    pub sections: Vec<ScriptSection>,
}

/// A section of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScriptSection {
    /// The name, as it stands in the line that begins the section.
    pub name: String,
    /// The statements, with the end of the line after the name.
    pub text: String,
}

/// Where a script cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ScriptFault {
    /// The name of the section; empty in a script without sections.
    pub section: String,
    /// The number of the line in the section, as the engine counts.
    pub line: u32,
    /// Where in the line it begins, as the engine counts.
    pub column: u32,
    /// What cannot be understood, as far as the engine marks it.
    pub text: String,
    /// Whether it follows from a fault before it.
    pub is_secondary: bool,
}

/// What begins a section.
const TAB: &str = "///$tab ";

impl Script {
    /// Returns a section, made at the end if there is none of this name.
    pub fn section_mut(&mut self, name: &str) -> &mut ScriptSection {
        let at = self.sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
            let last = self.sections.last_mut().map_or(&mut self.preamble, |section| &mut section.text);
            if !last.is_empty() && !last.ends_with('\n') {
                last.push_str("\r\n");
            }
            self.sections.push(ScriptSection { name: name.to_owned(), text: "\r\n".to_owned() });
            self.sections.len() - 1
        });
        &mut self.sections[at]
    }

    /// Returns a section.
    pub fn section(&self, name: &str) -> Option<&ScriptSection> {
        self.sections.iter().find(|section| section.name == name)
    }

    fn fault(&self, whole: &str, error: &ScriptSyntaxError) -> ScriptFault {
        let count = |number: i32| usize::try_from(number).unwrap_or_default();
        // Positions are taken for UTF-16 units, in which the engine's JavaScript clients count.
        let marked = whole.encode_utf16().skip(count(error.text_pos)).take(count(error.err_len));
        ScriptFault {
            section: self.sections.get(count(error.tab_ix)).map(|tab| tab.name.clone()).unwrap_or_default(),
            line: u32::try_from(error.line_in_tab).unwrap_or_default(),
            column: u32::try_from(error.col_in_line).unwrap_or_default(),
            text: String::from_utf16_lossy(&marked.collect::<Vec<_>>()),
            is_secondary: error.secondary_failure,
        }
    }
}

impl FromStr for Script {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut script = Self::default();
        for line in text.split_inclusive('\n') {
            if let Some(head) = line.strip_prefix(TAB) {
                let name = head.trim_end_matches(['\r', '\n']);
                let end = head[name.len()..].to_owned();
                script.sections.push(ScriptSection { name: name.to_owned(), text: end });
            } else {
                script
                    .sections
                    .last_mut()
                    .map_or(&mut script.preamble, |section| &mut section.text)
                    .push_str(line);
            }
        }
        Ok(script)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.preamble)?;
        self.sections.iter().try_for_each(|section| write!(f, "{TAB}{}{}", section.name, section.text))
    }
}

impl fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.section.is_empty() {
            write!(f, "{}, ", self.section)?;
        }
        write!(f, "line {}, column {}: {}", self.line, self.column, self.text)
    }
}

impl Doc {
    /// Reads the script; `set_script(&script.to_string())` writes it.
    ///
    /// # Errors
    ///
    /// Those of `GetScript`.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is changed.
    pub async fn script(&self) -> Result<Script, Error> {
        Ok(read(&self.get_script().await?))
    }

    /// Checks the script without running it; returns what is wrong, in order.
    ///
    /// # Errors
    ///
    /// Those of `GetScript` and `CheckScriptSyntax`.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is changed.
    pub async fn script_faults(&self) -> Result<Vec<ScriptFault>, Error> {
        let errors = self.check_script_syntax().await?;
        if errors.is_empty() {
            return Ok(Vec::new());
        }
        let whole = self.get_script().await?;
        let script = read(&whole);
        Ok(errors.iter().map(|error| script.fault(&whole, error)).collect())
    }
}

fn read(text: &str) -> Script {
    let Ok(script) = text.parse();
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str =
        "///$tab Main\r\nSET x = 'ä';\r\n///$tab Load data\r\nLOADD 1;\r\n///$tab Empty\n///$tab Last";

    #[test]
    fn script_is_written_as_it_was_read() {
        for text in [SCRIPT, "", "LOAD 1;", "// a\n///$tab A\r\n\r\n///$tab A\r\nb", "///$tab \r\n"] {
            assert_eq!(read(text).to_string(), text);
        }
        let names: Vec<_> = read(SCRIPT).sections.into_iter().map(|section| section.name).collect();
        assert_eq!(names, ["Main", "Load data", "Empty", "Last"]);
        assert_eq!(read(SCRIPT).section("Load data").unwrap().text, "\r\nLOADD 1;\r\n");
    }

    #[test]
    fn new_section_begins_on_a_line_of_its_own() {
        let mut script = read("LOAD 1;");
        script.section_mut("New").text.push_str("LOAD 2;\r\n");
        script.section_mut("New").text.push_str("LOAD 3;\r\n");
        assert_eq!(script.to_string(), "LOAD 1;\r\n///$tab New\r\nLOAD 2;\r\nLOAD 3;\r\n");
    }

    #[test]
    fn fault_names_its_section_and_its_text() {
        let mut error = ScriptSyntaxError::default();
        (error.tab_ix, error.line_in_tab, error.err_len) = (1, 1, 5);
        error.text_pos = SCRIPT.encode_utf16().collect::<Vec<_>>().len() as i32
            - SCRIPT[SCRIPT.find("LOADD").unwrap()..].len() as i32;
        let fault = read(SCRIPT).fault(SCRIPT, &error);
        assert_eq!(fault.to_string(), "Load data, line 1, column 0: LOADD");
    }
}
