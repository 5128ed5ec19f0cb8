//! `qix-proxy completions` and `qix-proxy man`: what shells and `man` need to know of the command line.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{
    Cli, examples,
    exit::{CliError, Outcome},
};
use crate::count::count;

/// Arguments of `qix-proxy completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = examples::COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// The shell that reads it
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl CompletionsArgs {
    /// Writes what the shell is to read.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        // The generator would panic if nobody read.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "qix-proxy", &mut text);
        out.write_all(&text)?;
        Ok(Outcome::Clean)
    }
}

/// Arguments of `qix-proxy man`.
#[derive(Debug, clap::Args)]
#[command(after_help = examples::MAN)]
pub(crate) struct ManArgs {
    /// A folder for a page of each command, made if it is not there; pages of that name are replaced [default: print the page of the
    /// program]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    /// Writes the pages.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let Some(dir) = self.dir else {
            let (_, page) = pages(Cli::command())?.swap_remove(0);
            out.write_all(&page)?;
            return Ok(Outcome::Clean);
        };
        let pages = pages(Cli::command())?;
        write(&dir, &pages).map_err(|error| {
            CliError::network(format!(
                "cannot write to {}: {error}; give a folder that can be written to",
                dir.display()
            ))
        })?;
        writeln!(out, "{}: {}", dir.display(), count(pages.len() as u64, "page"))?;
        Ok(Outcome::Clean)
    }
}

/// Writes each page beside its place and then moves it there, so that no reader finds half of one.
fn write(dir: &Path, pages: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, page) in pages {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(page)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Everybody may read a manual.
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(dir.join(name)).map_err(|error| error.error)?;
    }
    Ok(())
}

/// Returns the pages by the names of their files: that of the program first, then those of all commands.
fn pages(command: clap::Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command.disable_help_subcommand(true);
    // Only then do commands know what they are called from the outside.
    command.build();
    let mut pages = Vec::new();
    let mut left = std::collections::VecDeque::from([command]);
    while let Some(command) = left.pop_front() {
        left.extend(command.get_subcommands().cloned());
        let man = clap_mangen::Man::new(command);
        let mut page = Vec::new();
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a text has a word, which is no part of another.
    fn has(text: &str, word: &str) -> bool {
        let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        text.match_indices(word).any(|(at, _)| {
            !text[..at].ends_with(is_of_word) && !text[at + word.len()..].starts_with(is_of_word)
        })
    }

    /// Returns the commands as they are run, each with its options.
    fn commands() -> Vec<(String, Vec<String>)> {
        let mut cli = Cli::command();
        cli.build();
        let options = |command: &clap::Command| {
            let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
            shown.filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
        };
        cli.get_subcommands().map(|command| (command.get_name().to_owned(), options(command))).collect()
    }

    #[test]
    fn every_shell_gets_every_command_and_option() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let mut out = Vec::new();
            CompletionsArgs { shell }.exec(&mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            for (command, options) in commands() {
                assert!(has(&text, &command), "{shell}: {command}");
                for option in options {
                    let written =
                        if shell == Shell::Fish { format!("-l {option}") } else { format!("--{option}") };
                    assert!(has(&text, &written), "{shell}: {command} {written}");
                }
            }
        }
    }

    #[test]
    fn every_command_has_a_page_with_its_options_and_examples() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("man1");
        let man = || ManArgs { dir: Some(folder.clone()) };
        let mut out = Vec::new();
        man().exec(&mut out).unwrap();
        // Again, over those that are there.
        man().exec(&mut out).unwrap();
        for (command, options) in commands().into_iter().filter(|(command, _)| command != "help") {
            let name = format!("qix-proxy-{command}");
            let page = std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap().replace("\\-", "-");
            assert!(has(&page, &name) && page.contains("Examples"), "{page}");
            for option in options {
                assert!(
                    has(&page.replace("\\fB", " "), &format!("--{option}")),
                    "{command} --{option}: {page}"
                );
            }
        }
        let mut page = Vec::new();
        ManArgs { dir: None }.exec(&mut page).unwrap();
        assert!(String::from_utf8(page).unwrap().starts_with(".ie"));
    }
}
