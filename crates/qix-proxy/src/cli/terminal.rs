//! What standard output and standard error can show, decided in one place for all commands.
//!
//! A command writes UTF-8 to the `out` that it is given, and gets these rules without doing anything:
//!
//! - A terminal whose locale is not UTF-8 (`LANG=C`) gets ASCII: `…`, `×` and `→` become `~`, `x` and `>`, anything else `?`, always
//!   as wide as before, so that columns stay where they are. What goes into a pipe or a file is never changed.
//! - A pipe that nobody reads any more (`| head -1`) ends the command quietly: return the [`io::Error`] with `?`, and the exit code is 0.
//!
//! For colours and cutting ask [`Terminal::stdout`]: `colour` is off in a pipe, with `NO_COLOR` and on a dumb terminal, and `width`
//! is there only on a terminal. Who writes many lines wraps `out` in a `BufWriter` and flushes it in the end; who writes to the process'
//! streams without being given one, such as a progress bar, takes [`Output::stderr`].

use std::{
    env,
    ffi::OsStr,
    io::{self, IsTerminal, Write},
};

use unicode_width::UnicodeWidthChar;

use crate::live::{is_capable, wants_colour};

/// What standard output is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Terminal {
    /// Whether text may be coloured.
    pub(crate) colour: bool,
    /// How many columns there are; `None` in a pipe and in a file.
    pub(crate) width: Option<usize>,
}

impl Terminal {
    /// Looks at the standard output of the process.
    pub(crate) fn stdout() -> Self {
        let width = || terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).max(20));
        Self { colour: is_capable() && wants_colour(), width: io::stdout().is_terminal().then(width) }
    }
}

/// A stream of the process that gets ASCII if it is a terminal that shows nothing else.
#[derive(Debug)]
pub(crate) struct Output<W> {
    out: W,
    ascii: bool,
    /// The beginning of a character whose rest is still to come.
    cut: Vec<u8>,
}

impl Output<io::Stdout> {
    /// Makes one of standard output.
    pub(crate) fn stdout() -> Self {
        Self::new(io::stdout(), io::stdout().is_terminal() && !is_utf8())
    }
}

impl Output<io::Stderr> {
    /// Makes one of standard error.
    pub(crate) fn stderr() -> Self {
        Self::new(io::stderr(), io::stderr().is_terminal() && !is_utf8())
    }
}

impl<W: Write> Output<W> {
    fn new(out: W, ascii: bool) -> Self {
        Self { out, ascii, cut: Vec::new() }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.ascii || bytes.is_ascii() && self.cut.is_empty() {
            return self.out.write(bytes);
        }
        self.cut.extend_from_slice(bytes);
        let mut text = String::new();
        let mut chunks = self.cut.utf8_chunks().peekable();
        let mut rest = Vec::new();
        while let Some(chunk) = chunks.next() {
            chunk.valid().chars().for_each(|c| push_ascii(&mut text, c));
            let is_last = chunks.peek().is_none();
            // What may become a character is no error yet.
            let may_go_on = |bytes| str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
            match chunk.invalid() {
                [] => {}
                start if is_last && may_go_on(start) => rest = start.to_vec(),
                _ => text.push('?'),
            }
        }
        self.cut = rest;
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a character in ASCII, in as many columns.
fn push_ascii(text: &mut String, c: char) {
    let ascii = match c {
        '\0'..='\x7f' => c,
        '…' => '~',
        '×' | '✗' => 'x',
        '→' | '▸' | '▶' | '⟶' => '>',
        '←' => '<',
        '↑' => '^',
        '↓' | '▾' | '▼' => 'v',
        '·' | '–' | '—' | '─' | '−' | '●' | '•' => '-',
        '│' | '┃' => '|',
        '├' | '└' | '┌' | '┐' | '┘' | '┼' => '+',
        '≤' => '<',
        '≥' => '>',
        '⟳' | '↻' => '*',
        '█' | '▇' | '▆' | '▅' | '▄' => '#',
        '▃' | '▂' | '▁' | '░' => '.',
        '✓' | '✔' => '+',
        '“' | '”' | '„' => '"',
        '‘' | '’' => '\'',
        '\u{a0}' | '\u{202f}' => ' ',
        'µ' | 'μ' => 'u',
        'Δ' => 'd',
        _ => {
            (0..c.width().unwrap_or(0)).for_each(|_| text.push('?'));
            return;
        }
    };
    text.push(ascii);
}

/// Returns whether the user's locale says UTF-8. One that says nothing is the one called `C`, which does not.
pub(super) fn is_utf8() -> bool {
    // A console of Windows takes Unicode whatever its code page is; macOS says nothing and means UTF-8.
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].map(env::var_os);
    cfg!(windows) || says_utf8(&set.each_ref().map(Option::as_deref), cfg!(target_os = "macos"))
}

fn says_utf8(set: &[Option<&OsStr>], otherwise: bool) -> bool {
    let Some(locale) = set.iter().flatten().find(|value| !value.is_empty()) else { return otherwise };
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ascii: bool, pieces: &[&[u8]]) -> String {
        let mut out = Output::new(Vec::new(), ascii);
        pieces.iter().for_each(|piece| out.write_all(piece).unwrap());
        String::from_utf8(out.out).unwrap()
    }

    #[test]
    fn terminal_without_utf_8_gets_ascii_that_is_as_wide() {
        let text = "3 × GetLayout → 12 ms … ✗ Umsätze 東京 \u{1b}[31mrot\u{1b}[0m e\u{301}";
        assert_eq!(
            shown(true, &[text.as_bytes()]),
            "3 x GetLayout > 12 ms ~ x Ums?tze ???? \u{1b}[31mrot\u{1b}[0m e"
        );
        assert_eq!(shown(false, &[text.as_bytes()]), text);
    }

    #[test]
    fn characters_that_are_written_in_pieces_are_one_and_bytes_that_are_none_are_marked() {
        let [a, b, c] = "…".as_bytes() else { panic!() };
        assert_eq!(shown(true, &[b"a", &[*a], &[*b], &[*c, b'b']]), "a~b");
        assert_eq!(shown(true, &[&[0xff, b'a', *a, *b, b'c']]), "?a?c");
        // In some terminals, such bytes are commands.
        assert!(shown(true, &["\u{9b}2J".as_bytes()]).is_ascii());
    }

    #[test]
    fn first_variable_that_is_set_names_the_locale() {
        for (set, utf8) in [
            ([None, None, Some("en_GB.UTF-8")], true),
            ([None, None, Some("C")], false),
            ([Some("C"), None, Some("en_GB.UTF-8")], false),
            ([Some(""), Some("C.utf8"), Some("C")], true),
            ([None, None, None], false),
        ] {
            assert_eq!(says_utf8(&set.map(|text| text.map(OsStr::new)), false), utf8, "{set:?}");
        }
        assert!(says_utf8(&[None], true));
    }
}
