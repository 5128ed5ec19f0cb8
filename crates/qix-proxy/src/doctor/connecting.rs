//! The steps until there is a socket.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http::header::{SERVER, WWW_AUTHENTICATE};
use jiff::Timestamp;
use qix_transport::{
    CertificateInfo, ConnectError, Endpoint, Progress, Refusal, ServerCertificates, Stage, printable,
};
use serde_json::{Value, json};

use super::report::{Report, Step, Verdict};
use crate::chain::chain;

/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most of a text from the network that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// What the library says names its types.
const CSRF_HINT: &str = "the CSRF token is missing or stale: let --session cloud or --session proxy fetch one, and send no Authorization besides";

/// The examination so far.
pub(super) struct Walk<'a> {
    report: Report,
    tell: &'a (dyn Fn(&Step) + Sync),
    /// When the last step ended.
    since: Instant,
    /// What the server showed; its verdict follows.
    certificates: Option<ServerCertificates>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(endpoint: &Endpoint, tell: &'a (dyn Fn(&Step) + Sync)) -> Self {
        let report = Report { url: endpoint.to_string(), passed: true, steps: Vec::new() };
        Self { report, tell, since: Instant::now(), certificates: None }
    }

    pub(super) fn of<'w>(walk: &'w Mutex<Self>) -> MutexGuard<'w, Self> {
        walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Notes a step that has just ended.
    pub(super) fn step(&mut self, mut step: Step) {
        let now = Instant::now();
        step.took = now - self.since;
        self.since = now;
        self.report.passed &= step.verdict != Verdict::Failed;
        (self.tell)(&step);
        self.report.steps.push(step);
    }

    pub(super) fn progress(&mut self, progress: Progress) {
        let step = match progress {
            Progress::Credentials { sent } if sent.is_empty() => {
                Step::passed("credentials", "none are sent").detail("sent", sent)
            }
            Progress::Credentials { sent } => {
                Step::passed("credentials", sent.join(", ")).detail("sent", sent)
            }
            Progress::Resolved { host, addresses } => {
                let addresses: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
                let says = format!("{host} is {}", addresses.join(", "));
                Step::passed("name", says).detail("addresses", addresses)
            }
            Progress::Connected { address } => {
                Step::passed("TCP", format!("connected to {address}")).detail("address", address.to_string())
            }
            Progress::Tunnelled { proxy, target } => {
                Step::passed("tunnel", format!("{proxy} leads to {target}")).detail("proxy", &*proxy)
            }
            Progress::Certificates(certificates) => {
                self.certificates = Some(certificates);
                return;
            }
            Progress::Encrypted { version, cipher } => {
                let step = Step::passed("TLS", format!("{version}, {cipher}"))
                    .detail("version", version)
                    .detail("cipher", cipher);
                self.with_certificates(step)
            }
            Progress::Upgraded { server } => {
                let by = server.as_ref().map_or_else(String::new, |server| format!(", by {}", shown(server)));
                Step::passed("upgrade", format!("a WebSocket{by}")).detail("server", server.as_deref())
            }
            Progress::Again { status } => Step::new(
                "upgrade",
                Verdict::Warned,
                format!("refused with {status}, once more with other credentials"),
            )
            .detail("status", status.as_u16()),
            // Steps that do not exist yet need no line.
            _ => return,
        };
        self.step(step);
    }

    /// Notes the step at which connecting ended.
    pub(super) fn failed(&mut self, error: &ConnectError) {
        let name = match error.stage() {
            Stage::Auth => "credentials",
            Stage::Resolve => "name",
            Stage::Tcp => "TCP",
            Stage::Tunnel => "tunnel",
            Stage::Tls => "TLS",
            _ => "upgrade",
        };
        let mut step = Step::failed(name, chain(error)).hint(error.hint());
        if let Some(refusal) = error.refusal() {
            step = with_refusal(step, refusal);
            if refusal.is_csrf() {
                step = step.hint(Some(CSRF_HINT));
            }
        }
        let step = self.with_certificates(step);
        self.step(step);
    }

    /// Adds what the server showed in the handshake, if it was not said yet.
    fn with_certificates(&mut self, mut step: Step) -> Step {
        let Some(certificates) = self.certificates.take() else { return step };
        let now = SystemTime::now();
        for certificate in &certificates.chain {
            step = step.line(line(certificate, now));
        }
        let ends_soon = certificates.chain.first().is_some_and(|own| own.not_after() < now + SOON);
        if step.verdict == Verdict::Passed && ends_soon {
            step.verdict = Verdict::Warned;
            step = step.hint(Some("the server's certificate must be renewed"));
        }
        let wanted = certificates.wants_client_certificate;
        let mut text = match (wanted, certificates.client_certificate_shown) {
            (false, _) => "client certificate: not asked for".to_owned(),
            (true, true) => "client certificate: asked for, and shown".to_owned(),
            (true, false) => "client certificate: asked for, but none was given".to_owned(),
        };
        if !certificates.accepted_issuers.is_empty() {
            text += "; accepted are those issued by ";
            text += &certificates.accepted_issuers.join(" or ");
        }
        let chain: Vec<_> = certificates.chain.iter().map(as_json).collect();
        let issuers: Vec<_> = certificates.accepted_issuers.iter().map(|issuer| &**issuer).collect();
        step.line(text)
            .detail("certificates", chain)
            .detail("client_certificate_wanted", wanted)
            .detail("client_certificate_shown", certificates.client_certificate_shown)
            .detail("accepted_issuers", issuers)
    }
}

/// Adds what is worth knowing of an answer that is not 101. Of the body, which may repeat what was sent, only the title or the
/// error code is shown.
fn with_refusal(step: Step, refusal: &Refusal) -> Step {
    let mut step = step.detail("status", refusal.status.as_u16());
    if let Some(target) = refusal.redirect() {
        step = step.detail("location", target);
    }
    for (name, label) in [(SERVER, "server"), (WWW_AUTHENTICATE, "www_authenticate")] {
        let Some(value) = refusal.headers.get(&name).and_then(|value| value.to_str().ok()) else { continue };
        let value = shown(value);
        step = step.line(format!("{name}: {value}")).detail(label, value);
    }
    match gist(&refusal.body) {
        Some(gist) => step.line(format!("the answer says: {gist}")).detail("answer", gist),
        None => step,
    }
}

/// Returns the error code and title in a JSON answer, or the title of a page.
fn gist(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    if let Ok(answer) = serde_json::from_str::<Value>(&text) {
        let error = answer.pointer("/errors/0").or_else(|| answer.get("error")).unwrap_or(&answer);
        let parts: Vec<_> = ["code", "title"].iter().filter_map(|name| error.get(name)?.as_str()).collect();
        return (!parts.is_empty()).then(|| shown(&parts.join(", ")));
    }
    // Offsets hold for both, because only ASCII changes.
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    Some(shown(text[start..end].trim()))
}

/// Returns text from the network as it can be shown.
pub(super) fn shown(text: &str) -> String {
    printable(text, MAX_SHOWN)
}

fn line(certificate: &CertificateInfo, now: SystemTime) -> String {
    let names: Vec<_> = certificate.names().take(5).collect();
    let more = match certificate.names().count() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = if names.is_empty() { String::new() } else { format!(", for {}{more}", names.join(", ")) };
    let issuer = if certificate.issuer() == certificate.subject() {
        "by itself".to_owned()
    } else {
        format!("by {}", certificate.issuer())
    };
    let (begins, ends) = (certificate.not_before(), certificate.not_after());
    let remark = if ends < now {
        " (expired)"
    } else if begins > now {
        " (not valid yet)"
    } else if ends < now + SOON {
        " (ends soon)"
    } else {
        ""
    };
    format!(
        "certificate {}{names}; issued {issuer}; from {} until {}{remark}",
        certificate.subject(),
        day(begins),
        day(ends)
    )
}

fn as_json(certificate: &CertificateInfo) -> Value {
    json!({
        "subject": certificate.subject(),
        "names": certificate.names().collect::<Vec<_>>(),
        "issuer": certificate.issuer(),
        "not_before": day(certificate.not_before()),
        "not_after": day(certificate.not_after()),
        "version": certificate.version(),
        "sha256": certificate.sha256(),
    })
}

fn day(time: SystemTime) -> String {
    // Years beyond 9999 have no day that anybody could wait for.
    Timestamp::try_from(time)
        .map_or_else(|_| "never".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_an_answer_only_title_and_code_are_shown() {
        for (body, gist) in [
            (
                r#"{"errors":[{"code":"CSRF-TOKEN-2","title":"Invalid CSRF","meta":{"x":"s3cret"}}],"traceId":"t"}"#,
                Some("CSRF-TOKEN-2, Invalid CSRF"),
            ),
            (r#"{"code":"LOGIN-1"}"#, Some("LOGIN-1")),
            (r#"{"token":"s3cret"}"#, None),
            ("<html><head><TITLE> Log in\n</TITLE></head><body>s3cret", Some("Log in")),
            ("<title>İ no end", None),
            ("<İ><title>x\u{7}</title>", Some("x\u{fffd}")),
            ("s3cret", None),
            ("", None),
        ] {
            assert_eq!(super::gist(body.as_bytes()).as_deref(), gist, "{body}");
        }
    }
}
