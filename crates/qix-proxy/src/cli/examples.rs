//! Examples, as `--help` shows them. Those of commands that are not here stand beside their arguments.
//!
//! A line that begins with `qix-proxy` is one that can be run; a test has each of them parsed, of all commands. What follows a `|`,
//! a `>` or two spaces is no part of it.

pub(super) const RECORD: &str = "\
Examples:
  qix-proxy record --upstream ws://localhost:4848
      Stand before Qlik Sense Desktop; clients connect to the address that is printed
  qix-proxy record --upstream ws://localhost:4848 --ui 127.0.0.1:0
      And see calls in a browser as they are answered
  qix-proxy record --upstream wss://TENANT.REGION.qlikcloud.com --api-key-env QLIK_KEY --out session.qixrec
      Log in with an API key from the environment, and name the file
  qix-proxy record --mode forward --intercept sense.example.com --out session.qixrec
      Be the proxy of a browser, and record what it says to one host
  qix-proxy record --upstream ws://localhost:4848 --out 'day-%Y%m%d.qixrec.zst' --rotate-every 24h --keep 7
      Record for ever, a compressed file a day, and keep a week";

pub(super) const REPLAY: &str = "\
Examples:
  qix-proxy replay session.qixrec
      Answer on a free port, which is printed, as the engine did
  qix-proxy replay session.qixrec --listen 127.0.0.1:4848 --strict
      Answer where Qlik Sense Desktop would, and end with 1 if a request has no recorded answer
  qix-proxy replay monday.qixrec tuesday.qixrec --speed 1
      Answer from two recordings, at the recorded pace";

pub(super) const REDRIVE: &str = "\
Examples:
  qix-proxy redrive session.qixrec --to ws://localhost:4848
      Make all calls that only read again, and say which answers differ
  qix-proxy redrive session.qixrec --to wss://new.example.com --app Sales.qvf=Copy.qvf --tolerance 1e-6
      At another engine, with another app, and with numbers that may differ a little
  qix-proxy redrive session.qixrec --to ws://localhost:4848 --only GetLayout --report differences.json
      Compare layouts alone, and write everything that was found for programs";

pub(super) const DIFF: &str = "\
Examples:
  qix-proxy diff before.qixrec after.qixrec
      Say which measures, objects and errors differ, which calls only one has, and what became slower
  qix-proxy diff before.qixrec after.qixrec --tolerance 1e-6 --ignore /qLayout/title
      Let numbers differ a little, and titles as they like
  qix-proxy diff before.qixrec after.qixrec --app Sales.qvf='Sales (copy).qvf'
      Compare two apps of which one is a copy of the other
  qix-proxy diff before.qixrec after.qixrec --format html > diff.html
      Write a page to send to somebody

Latency alone is no difference: it is told where a test of ranks says that it is no chance.
Exit codes: 0 equal; 1 different, or nothing was compared; 2 wrong usage; 3 no room for temporary files, or the output cannot \
be written; 4 recording unreadable";

pub(super) const IMPORT: &str = "\
Examples:
  qix-proxy import traffic.har
      Make traffic.qixrec of what a browser's network panel has saved
  qix-proxy import log.json --out session.qixrec
      Make a recording of a traffic log of enigma-go, and name it";

pub(super) const EXPORT: &str = "\
Examples:
  qix-proxy export session.qixrec --as har
      Write session.har, for the network panel of a browser
  qix-proxy export session.qixrec --as parquet --results --out calls.parquet
      Write a table of calls with their results, for DuckDB or pandas
  qix-proxy export session.qixrec --as calls --connection 2
      Write the calls of one connection as JSON Lines";

pub(super) const SCRUB: &str = "\
Examples:
  qix-proxy scrub session.qixrec
      Write session.scrubbed.qixrec without secrets
  qix-proxy scrub session.qixrec --check
      Write nothing, and end with 1 if there are secrets
  qix-proxy scrub session.qixrec --anonymise --anonymise-titles --out shareable.qixrec
      Make the data nobody's, too";

pub(super) const REPAIR: &str = "\
Examples:
  qix-proxy repair session.qixrec
      Write session-repaired.qixrec, and leave the other as it is
  qix-proxy repair session.qixrec --in-place
      Mend the file itself";

pub(super) const DOCTOR: &str = "\
Examples:
  qix-proxy doctor ws://localhost:4848/app/
      Walk the way to Qlik Sense Desktop once, and say how far it goes
  qix-proxy doctor wss://TENANT.REGION.qlikcloud.com/app/ID --api-key-env QLIK_KEY
      The way to an app of Qlik Cloud, with an API key from the environment";

pub(super) const CA: &str = "\
Examples:
  qix-proxy ca create --name-constraint qlikcloud.com
      Make an authority that can stand in for one domain and no other
  qix-proxy ca show
      Say where it is, what it may do and until when
  qix-proxy ca install-help
      Say how browsers, systems and programs come to trust it";

pub(super) const DEMO: &str = "\
Examples:
  qix-proxy demo
      Replay an embedded recording to a client, record that again, and compare
  qix-proxy demo --out demo.qixrec
      Keep what was recorded, to try other commands on";

pub(super) const COMPLETIONS: &str = "\
Examples:
  qix-proxy completions bash > ~/.local/share/bash-completion/completions/qix-proxy
  qix-proxy completions zsh > ~/.zfunc/_qix-proxy
  qix-proxy completions fish > ~/.config/fish/completions/qix-proxy.fish
  qix-proxy completions powershell >> $PROFILE";

pub(super) const MAN: &str = "\
Examples:
  qix-proxy man | man -l -
      Read the manual page of the program
  qix-proxy man ~/.local/share/man/man1
      Write a page for it and for each command, so that `man qix-proxy-record` finds them";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::cli::Cli;

    /// Returns the words of a line, as a shell would take them apart.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quote = None;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                ('|' | '>', None) => break,
                (' ', None) if chars.peek() == Some(&' ') => break,
                (' ', None) => words.push(String::new()),
                _ => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_has_examples_and_every_example_parses() {
        let command = Cli::command();
        for sub in command.get_subcommands() {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = sub.get_name();
            let lines: Vec<_> =
                help.lines().map(str::trim).filter(|line| line.starts_with("qix-proxy")).collect();
            assert!(!lines.is_empty(), "{name} --help has no examples: give its arguments an after_help");
            for line in lines {
                let words = words(line);
                assert_eq!(words[1], name, "{line}");
                if let Err(error) = Cli::command().try_get_matches_from(&words) {
                    panic!("{line}\n{error}");
                }
            }
        }
    }
}
