//! `qix-proxy ca`: a certificate authority of one's own.

use std::{
    env,
    ffi::OsString,
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::Subcommand;
use jiff::Timestamp;

use super::{
    exit::{CliError, Outcome},
    units,
};
use crate::{Authority, AuthoritySettings, chain::chain};

const VARIABLE: &str = "QIX_PROXY_CA_DIR";

/// Arguments of `qix-proxy ca`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::CA)]
pub(crate) struct CaArgs {
    #[command(subcommand)]
    command: CaCommand,

    /// The folder of the authority [default: that of QIX_PROXY_CA_DIR, or qix-proxy among your programs' data]
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Make an authority, which `record --mode forward` and `--tls-self-signed` then use; never overwrites one
    Create {
        /// A host it may make certificates for: a name, with all below it, an address, or a network; can be repeated. Strongly recommended,
        /// so that a stolen key is of no use for your bank: *.qlikcloud.com, and localhost with 127.0.0.1 for --tls-self-signed
        #[arg(long, value_name = "HOST")]
        name_constraint: Vec<String>,

        /// How long it is valid, such as 30d [default: 365 days]
        #[arg(long, value_name = "TIME", value_parser = units::time)]
        validity: Option<Duration>,
    },
    /// Show what the authority is: its name, fingerprint, validity and constraints
    Show,
    /// Say how to have browsers and programs trust the authority, and how to take that back
    InstallHelp,
}

impl CaArgs {
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let Some(dir) = authority_dir(self.dir, |name| env::var_os(name)) else {
            return Err(CliError::usage(
                "there is no home folder to keep an authority in; name a folder with --dir",
            ));
        };
        let failed = |error| CliError::usage(chain(&error));
        match self.command {
            CaCommand::Create { name_constraint, validity } => {
                let mut settings = AuthoritySettings::default();
                settings.name_constraints = name_constraint;
                settings.validity = validity.unwrap_or(settings.validity);
                let authority = Authority::create(&dir, &settings).map_err(failed)?;
                if settings.name_constraints.is_empty() {
                    tracing::warn!(
                        "this authority can stand in for every host there is; with --name-constraint it could not"
                    );
                }
                show(&authority, out)?;
                writeln!(out, "\nwhoever is to trust it: qix-proxy ca install-help")?;
            }
            CaCommand::Show => show(&Authority::open(&dir).map_err(failed)?, out)?,
            CaCommand::InstallHelp => {
                let authority = Authority::open(&dir).map_err(failed)?;
                let path = authority.certificate_path();
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                let name = authority.certificate().subject().trim_start_matches("CN=").to_owned();
                out.write_all(install_help(&path.display().to_string(), &name).as_bytes())?;
            }
        }
        Ok(Outcome::Clean)
    }
}

fn show(authority: &Authority, out: &mut dyn Write) -> Result<(), CliError> {
    let certificate = authority.certificate();
    let constraints = authority.name_constraints().collect::<Vec<_>>().join(", ");
    writeln!(out, "subject      {}", certificate.subject())?;
    writeln!(out, "SHA-256      {}", certificate.sha256())?;
    writeln!(
        out,
        "valid        from {} until {}",
        day(certificate.not_before()),
        day(certificate.not_after())
    )?;
    writeln!(out, "for          {}", if constraints.is_empty() { "all hosts" } else { &constraints })?;
    writeln!(out, "certificate  {}", authority.certificate_path().display())?;
    Ok(())
}

fn day(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// Returns the folder of the authority: what was said, what the environment says, or where this system keeps data of programs.
pub(super) fn authority_dir(
    said: Option<PathBuf>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let folder = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = said.or_else(|| folder(VARIABLE)) {
        return Some(dir);
    }
    // The specification of XDG has relative paths ignored.
    let xdg = folder("XDG_DATA_HOME").filter(|dir| dir.is_absolute());
    let windows = || if cfg!(windows) { folder("LOCALAPPDATA") } else { None };
    let home = || folder("HOME").map(|home| home.join(".local").join("share"));
    xdg.or_else(windows).or_else(home).map(|data| data.join("qix-proxy"))
}

fn install_help(path: &str, name: &str) -> String {
    format!(
        r#"Whoever trusts this authority trusts everybody who has its key. Have only those programs trust it that you record, and take it back afterwards.

Chromium and Chrome on Linux, from Debian's libnss3-tools:
  trust    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n '{name}' -i '{path}'
  untrust  certutil -d sql:$HOME/.pki/nssdb -D -n '{name}'

Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import '{path}', to identify websites.
  untrust  in the same list, Delete or Distrust

Debian, Ubuntu (curl, wget, most programs):
  trust    sudo cp '{path}' /usr/local/share/ca-certificates/qix-proxy.crt && sudo update-ca-certificates
  untrust  sudo rm /usr/local/share/ca-certificates/qix-proxy.crt && sudo update-ca-certificates --fresh

Fedora, RHEL:
  trust    sudo trust anchor '{path}'
  untrust  sudo trust anchor --remove '{path}'

macOS (Safari, Chrome):
  trust    security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db '{path}'
  untrust  security remove-trusted-cert '{path}' && security delete-certificate -c '{name}'

Windows (Edge, Chrome, .NET):
  trust    certutil -user -addstore Root "{path}"
  untrust  certutil -user -delstore Root "{name}"

Node.js, for one command:
  NODE_EXTRA_CA_CERTS='{path}' node client.js

Python, for one command; the file takes the place of the other roots:
  REQUESTS_CA_BUNDLE='{path}' SSL_CERT_FILE='{path}' python client.py

qix-proxy and programs built on qix-transport: --extra-ca '{path}', or TlsSettings::extra_ca_file

A program that pins certificates trusts no authority: leave its host out of --intercept.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_what_was_said_or_what_the_environment_says() {
        let dir = |said: Option<&str>, set: &[(&str, &str)]| {
            let environment = |name: &str| {
                set.iter().find(|(found, _)| *found == name).map(|(_, value)| OsString::from(value))
            };
            authority_dir(said.map(PathBuf::from), environment)
        };
        let all = [(VARIABLE, "/ca"), ("XDG_DATA_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(dir(Some("here"), &all), Some("here".into()));
        assert_eq!(dir(None, &all), Some("/ca".into()));
        assert_eq!(dir(None, &[]), None);
        #[cfg(unix)]
        {
            assert_eq!(dir(None, &all[1..]), Some("/xdg/qix-proxy".into()));
            let home = dir(None, &[("XDG_DATA_HOME", "relative"), ("HOME", "/home/me")]);
            assert_eq!(home, Some("/home/me/.local/share/qix-proxy".into()));
        }
    }

    #[test]
    fn help_names_the_file_for_every_kind_of_program() {
        let help = install_help("/a b/authority.pem", "qix-proxy authority 1");
        for word in [
            "certutil -d sql:",
            "update-ca-certificates",
            "security add-trusted-cert",
            "certutil -user",
            "Firefox",
            "NODE_EXTRA_CA_CERTS='/a b/authority.pem'",
            "REQUESTS_CA_BUNDLE",
            "SSL_CERT_FILE",
            "untrust",
        ] {
            assert!(help.contains(word), "{word}");
        }
    }
}
