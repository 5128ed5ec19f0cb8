//! A terminal with lines that scroll and, below them, lines that stay.

use std::io::{self, IsTerminal, Write};

use super::line::Line;
use crate::cli::terminal::Output;

/// How wide a terminal is taken to be that does not say.
const WIDTH: usize = 80;
/// Narrower ones are written to as if they were this wide.
const NARROWEST: usize = 20;

/// Writes lines, and what stays below them.
///
/// The cursor rests at the beginning of the first line that stays, so that whatever else is written appears there, and clearing
/// needs no knowledge of what was written.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    /// Whether lines can be written again in place.
    moves: bool,
    colour: bool,
    width: Box<dyn Fn() -> usize + Send>,
    /// What stays at the bottom at the moment.
    below: String,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("moves", &self.moves).finish_non_exhaustive()
    }
}

impl Screen {
    /// Makes a screen of the process' standard output.
    pub(crate) fn stdout() -> Self {
        let moves = is_capable();
        let width = || terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
        Self::new(Box::new(Output::stdout()), moves, moves && wants_colour(), Box::new(width))
    }

    fn new(
        out: Box<dyn Write + Send>,
        moves: bool,
        colour: bool,
        width: Box<dyn Fn() -> usize + Send>,
    ) -> Self {
        Self { out, moves, colour, width, below: String::new() }
    }

    /// Returns whether lines at the bottom can be seen.
    pub(super) fn has_bottom(&self) -> bool {
        self.moves
    }

    /// Writes lines, each longer one cut, and then those that stay.
    ///
    /// # Errors
    ///
    /// What the system says; nobody looks any more then.
    pub(super) fn draw(&mut self, lines: &[Line], below: &[Line]) -> io::Result<()> {
        let width = self.moves.then(|| (self.width)().max(NARROWEST));
        let mut text = String::new();
        for line in lines {
            line.write(&mut text, width, self.colour);
            text.push('\n');
        }
        let mut rest = String::new();
        if self.moves {
            for (at, line) in below.iter().enumerate() {
                rest.push_str(if at > 0 { "\r\n" } else { "" });
                // A character in the last column makes some terminals begin a new line.
                line.write(&mut rest, width.map(|width| width - 1), self.colour);
            }
            if below.len() > 1 {
                rest += &format!("\x1b[{}A", below.len() - 1);
            }
            rest.push('\r');
        }
        if text.is_empty() && rest == self.below {
            return Ok(());
        }
        let clear = if self.below.is_empty() { "" } else { CLEAR };
        self.out.write_all([clear, &text, &rest].concat().as_bytes())?;
        self.below = rest;
        self.out.flush()
    }

    /// Takes away what stays at the bottom, so that somebody else can write.
    ///
    /// # Errors
    ///
    /// As [`draw`](Self::draw).
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.below).is_empty() {
            self.out.write_all(CLEAR.as_bytes())?;
            self.out.flush()?;
        }
        Ok(())
    }
}

/// From the cursor to the end of the screen.
const CLEAR: &str = "\r\x1b[J";

/// Returns whether standard output is a terminal on which text can be moved and coloured.
pub(crate) fn is_capable() -> bool {
    if !io::stdout().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return false;
    }
    #[cfg(windows)]
    let understands = anstyle_query::windows::enable_ansi_colors().unwrap_or(true);
    #[cfg(not(windows))]
    let understands = true;
    understands
}

/// Returns whether the user has not asked for text without colours: <https://no-color.org>.
pub(crate) fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::live::line::Look;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.add(Look::Red, text);
        line
    }

    fn screen(moves: bool, width: usize) -> (Screen, Shared) {
        let out = Shared::default();
        (Screen::new(Box::new(out.clone()), moves, false, Box::new(move || width)), out)
    }

    #[cfg(target_os = "linux")]
    fn seen(out: &Shared, width: u16) -> String {
        let (rows, columns) = (10.try_into().unwrap(), width.try_into().unwrap());
        let mut parser = vt100::Parser::new(rows, columns, 0);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        // As a terminal's driver does.
        parser.process(text.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes());
        parser.screen().contents()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn lines_scroll_above_what_stays() {
        let (mut screen, out) = screen(true, 30);
        screen.draw(&[line("one")], &[line("progress"), line("status 1")]).unwrap();
        screen.draw(&[line("two"), line("three")], &[line("status 2")]).unwrap();
        screen.draw(&[], &[line("reload"), line("status 3")]).unwrap();
        assert_eq!(seen(&out, 30), "one\ntwo\nthree\nreload\nstatus 3");
        screen.clear().unwrap();
        assert_eq!(seen(&out, 30), "one\ntwo\nthree");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn lines_wider_than_the_terminal_are_cut_and_so_never_tear_what_stays() {
        let (mut screen, out) = screen(true, 20);
        for at in 0..3 {
            screen.draw(&[line(&format!("{at} 東京東京東京東京東京"))], &[line(&"s".repeat(50))]).unwrap();
        }
        let shown = seen(&out, 20);
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.ends_with(&format!("{}…", "s".repeat(18))), "{shown}");
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let (mut screen, out) = screen(true, 30);
        screen.draw(&[], &[line("status")]).unwrap();
        let before = out.0.lock().unwrap().len();
        screen.draw(&[], &[line("status")]).unwrap();
        assert_eq!(out.0.lock().unwrap().len(), before);
    }

    #[test]
    fn without_a_terminal_lines_are_whole_and_nothing_stays() {
        let (mut screen, out) = screen(false, 5);
        screen.draw(&[line("a long line")], &[line("status")]).unwrap();
        screen.clear().unwrap();
        assert_eq!(*out.0.lock().unwrap(), b"a long line\n");
    }
}
