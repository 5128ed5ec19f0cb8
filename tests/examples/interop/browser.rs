//! A page with a chart in a browser, on each way there is to the engine, and then without any: the same page, the same values, the
//! same pictures.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use qix_tests::{
    certs::{CertOptions, Certs},
    fake_engine::{FakeEngine, FakeEngineConfig, Front, Login},
};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome, Values, compare,
    proxy::{self, Proxy},
    say, scripts, succeed,
};

/// A page at a site.
pub(super) struct Visit {
    name: &'static str,
    /// Whether it is behind the TLS and the login of a virtual proxy, which `PREFIX` names.
    logs_in: bool,
}

const VISITS: &[Visit] = &[
    Visit { name: "chart in a browser", logs_in: false },
    Visit { name: "login and chart in a browser", logs_in: true },
];

/// How the browser gets to the site.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    /// Under the proxy's own address, over TLS with a certificate from its authority.
    ReverseTls,
    /// Under the site's address, by a proxy that the browser is told of.
    Forward,
}

const WAYS: &[(Way, &str)] = &[
    (Way::Direct, "straight"),
    (Way::ReverseTls, "through qix-proxy record with TLS"),
    (Way::Forward, "through qix-proxy record as forward proxy"),
];

/// What the browser takes pictures of.
const PICTURES: [&str; 3] = ["1-loaded", "2-selecting", "3-selected"];

const PREFIX: &str = "vp";
const USER: &str = r"ACME\ada";
// Each of the last characters has a meaning of its own in a form.
const PASSWORD: &str = "s3cret+ &%";
/// What must not be found in a recording.
const SECRET: &str = "s3cret";

/// The visits with `part` in their name.
pub(super) fn named(part: &str) -> Vec<&'static Visit> {
    VISITS.iter().filter(|visit| visit.name.contains(part)).collect()
}

/// Makes each visit on each way, and compares.
pub(super) async fn run(visits: &[&Visit], recordings: &Path, results: &Path) -> Outcome {
    let pictures = pictures();
    let pages = pictures.join("page");
    succeed(Command::new("node").args(["page/build.mjs"]).arg(&pages).current_dir(scripts()))?;
    let authority = Authority::create(results).await?;
    for visit in visits {
        let mut direct = None;
        for (way, how) in WAYS {
            // The names of objects depend on how many have logged in before, so each way leads to a site of its own.
            let site = Site::start(visit, &pages, results).await?;
            let what = format!("{} {how}", visit.name);
            let file = what.replace(|other: char| !other.is_ascii_alphanumeric(), "-");
            let recording = recordings.join(format!("{file}.qixrec"));
            let browser = Browser { what, visit, pictures: pictures.join(&file), results };
            let stop = Stop { browser: &browser, site: &site, authority: &authority };
            let seen = stop.make(*way, &recording).await?;
            let Site { engine, path, .. } = site;
            engine.shutdown().await;
            if *way != Way::Direct {
                browser.offline(&path, &recording, &authority, &seen).await?;
            }
            match &direct {
                None => direct = Some(seen),
                Some(direct) if compare("straight", direct, how, &seen) > 0 => {
                    return Err(format!("{}: the page is not the same {how}", visit.name).into());
                }
                Some(_) => {}
            }
        }
    }
    say(&format!(
        "{} visits on {} ways, each way the same page, and again without the site; see {}",
        visits.len(),
        WAYS.len(),
        pictures.display()
    ));
    Ok(())
}

/// Where pictures are kept: beside what cargo builds, as `target/interop`.
pub(super) fn pictures() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.ancestors().nth(3).unwrap_or(Path::new("target")).join("interop")
}

/// A running site.
struct Site {
    engine: FakeEngine,
    /// Its root certificate, if it has TLS.
    root: Option<PathBuf>,
    path: String,
}

impl Site {
    async fn start(visit: &Visit, pages: &Path, results: &Path) -> Outcome<Self> {
        let mut front = Front::default();
        front.pages = Some(pages.to_owned());
        let mut config = FakeEngineConfig::default();
        let mut root = None;
        let mut path = "/".to_owned();
        if visit.logs_in {
            let certs = Certs::generate(CertOptions::default())?;
            let folder = results.join("site");
            certs.write(&folder)?;
            root = Some(folder.join("root.pem"));
            config.tls = Some(certs.acceptor(false)?);
            front.login = Some(Login::new(PREFIX, USER, PASSWORD));
            path = format!("/{PREFIX}/");
        }
        config.front = Some(front);
        Ok(Self { engine: FakeEngine::start(config).await?, root, path })
    }
}

/// The authority of qix-proxy, which the browser trusts.
struct Authority {
    folder: PathBuf,
    certificate: PathBuf,
}

impl Authority {
    async fn create(results: &Path) -> Outcome<Self> {
        let folder = results.join("authority");
        let mut command = proxy::command("ca");
        command.args(["create", "--dir"]).arg(&folder);
        // It can do no harm beyond this machine, whatever becomes of its key.
        for name in ["localhost", "127.0.0.1", "::1"] {
            command.args(["--name-constraint", name]);
        }
        let output = command.output().await?;
        if !output.status.success() {
            return Err(format!("qix-proxy ca create: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        for entry in std::fs::read_dir(&folder)? {
            let certificate = entry?.path();
            if std::fs::read_to_string(&certificate).is_ok_and(|text| text.contains("BEGIN CERTIFICATE")) {
                return Ok(Self { folder, certificate });
            }
        }
        Err("qix-proxy ca create has made no certificate".into())
    }
}

/// One visit on one way.
struct Stop<'a> {
    browser: &'a Browser<'a>,
    site: &'a Site,
    authority: &'a Authority,
}

impl Stop<'_> {
    async fn make(&self, way: Way, recording: &Path) -> Outcome<Values> {
        let engine = &self.site.engine;
        // A cookie for the site's name must not pass for one of the proxy's: their names differ, as ports do not count.
        let own = format!("{}{}", engine.origin("localhost"), self.site.path);
        let authority = Some(self.authority.certificate.as_path());
        let browser = self.browser;
        let seen = match way {
            Way::Direct => return browser.drive(&own, self.site.root.as_deref(), None).await,
            Way::ReverseTls => {
                let upstream = engine.origin("localhost").replacen("http", "ws", 1);
                let proxy = self.record(&["--tls-self-signed", "--upstream", &upstream], recording).await?;
                let url = format!("{}{}", proxy.url("https"), self.site.path);
                let seen = browser.drive(&url, authority, None).await?;
                proxy.stop().await?;
                seen
            }
            Way::Forward => {
                let proxy =
                    self.record(&["--mode", "forward", "--intercept", "localhost"], recording).await?;
                let seen = browser.drive(&own, authority, Some(&proxy.url("http"))).await?;
                proxy.stop().await?;
                seen
            }
        };
        if std::fs::read_to_string(recording)?.contains(SECRET) {
            return Err(format!("{}: the password is in the recording", browser.what).into());
        }
        succeed(proxy::command("scrub").arg("--check").arg(recording).as_std_mut())?;
        Ok(seen)
    }

    async fn record(&self, args: &[&str], recording: &Path) -> Outcome<Proxy> {
        let mut command = proxy::command("record");
        // The page's script is larger than what is kept of a body by default.
        command.args(args).args(["--max-body", "16MB"]).arg("--out").arg(recording);
        command.env("QIX_PROXY_CA_DIR", &self.authority.folder);
        if let Some(root) = &self.site.root {
            command.arg("--ca").arg(root);
        }
        Proxy::start(command).await
    }
}

/// Who visits.
struct Browser<'a> {
    what: String,
    visit: &'a Visit,
    /// What the names of pictures begin with.
    pictures: PathBuf,
    results: &'a Path,
}

impl Browser<'_> {
    /// Makes the visit again on a replay of its recording, when the site is gone, and compares all there is to see.
    async fn offline(&self, path: &str, recording: &Path, authority: &Authority, seen: &Values) -> Outcome {
        let mut command = proxy::command("replay");
        command.arg("--tls-self-signed").arg(recording);
        command.env("QIX_PROXY_CA_DIR", &authority.folder);
        let replay = Proxy::start(command).await?;
        let again = Browser {
            what: format!("{}, replayed", self.what),
            pictures: PathBuf::from(format!("{}-replayed", self.pictures.display())),
            ..*self
        };
        let url = format!("{}{path}", replay.url("https"));
        let mut without = again.drive(&url, Some(&authority.certificate), None).await?;
        // Fails if something was asked for that is not in the recording.
        replay.stop().await?;
        // Who the user is was taken out of the recording.
        let mut seen = seen.clone();
        seen.remove("user");
        without.remove("user");
        if compare("recorded", &seen, "replayed", &without) > 0 {
            return Err(format!("{}: the page is not the same", again.what).into());
        }
        for picture in PICTURES {
            let file = |browser: &Browser<'_>| format!("{}-{picture}.png", browser.pictures.display());
            let (recorded, replayed) = (file(self), file(&again));
            // One program has written both, so that equal pixels are equal bytes.
            if std::fs::read(&recorded)? != std::fs::read(&replayed)? {
                return Err(format!("{}: {recorded} and {replayed} differ", again.what).into());
            }
        }
        Ok(())
    }

    /// Sends the browser to a page, and returns what it has seen there.
    async fn drive(&self, url: &str, trust: Option<&Path>, way: Option<&str>) -> Outcome<Values> {
        let file = self.results.join("page.json");
        let mut command = tokio::process::Command::new("node");
        command.args(["browser.mjs", url, "--json"]).arg(&file).arg("--pictures").arg(&self.pictures);
        if let Some(root) = trust {
            command.arg("--trust").arg(root);
        }
        if let Some(proxy) = way {
            command.args(["--proxy", proxy]);
        }
        if self.visit.logs_in {
            command.arg("--login").arg(format!("{USER}:{PASSWORD}"));
        }
        command.current_dir(scripts()).kill_on_drop(true);
        let what = &self.what;
        let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{what}: hangs"))??;
        if !output.status.success() {
            return Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        say(&format!("{what}: {}", String::from_utf8_lossy(&output.stdout).trim_end()));
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }
}
