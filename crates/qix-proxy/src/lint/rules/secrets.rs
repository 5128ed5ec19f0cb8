//! `secret-in-recording`.

use std::collections::BTreeMap;

use qix_transport::printable;

use crate::{
    lint::{
        Finding, Rule,
        check::{Check, method},
        groups::{Groups, Sight},
    },
    model::{Event, Weight},
    record::{Entry, EntryKind, FrameText, Redaction, Redactor},
};

/// The most messages with secrets whose method is still to be told.
const MOST: usize = 1000;

pub(super) static RULE: Rule = Rule {
    name: "secret-in-recording",
    weight: Weight::Bad,
    finds: "passwords, tokens, cookies and the like that are in the file",
    why: "Recordings are shown, sent and committed. Recorders replace secrets unless they are told not to; files of other tools have them, and so have \
          recordings made before a rule was known.",
    remedy: "qix-proxy scrub FILE writes a copy without them; scrub --check FILE lists each place. Change the secret, if others have seen the file.",
    limits: &[],
};

#[derive(Debug, Default)]
pub(super) struct Secrets {
    redaction: Redaction,
    /// Whether entries are shown too, so that messages need not be looked at twice.
    sees: bool,
    /// What was found in messages that are no calls yet, by the number of their entries.
    waiting: BTreeMap<u64, (Vec<String>, Sight)>,
    found: Groups,
}

impl Secrets {
    fn found(&mut self, names: Vec<String>, of: &str, sight: &Sight) {
        for name in names {
            self.found.add(format!("{} of {of}", printable(&name, 200)), sight.clone());
        }
    }
}

impl Check for Secrets {
    fn see(&mut self, entry: &Entry) {
        self.sees = true;
        let sight = Sight { at: entry.at, conn: entry.conn, ..Sight::default() };
        let redaction = self.redaction.clone();
        let mut redactor = Redactor::new(&redaction, &[]);
        let of = match &entry.kind {
            EntryKind::Frame { text: FrameText::Text(text) | FrameText::Binary(text), .. } => {
                let Some(clean) = redaction.frame(text) else { return };
                if self.waiting.len() >= MOST
                    && let Some((_, (names, sight))) = self.waiting.pop_first()
                {
                    self.found(names, "a message", &sight);
                }
                self.waiting.insert(entry.seq, (clean.redacted, sight));
                return;
            }
            EntryKind::Open(opening) | EntryKind::Refused(opening) => {
                redactor.url("url", &opening.url);
                for (part, headers) in [("request", &opening.request), ("response", &opening.response)] {
                    for (name, value) in headers {
                        redactor.header(part, name, value);
                    }
                }
                redactor.echo("body", &opening.body);
                "an upgrade"
            }
            EntryKind::Http(exchange) => {
                redactor.url("url", &exchange.url);
                let parts = [
                    ("request", "request_body", &exchange.request, &exchange.request_body),
                    ("response", "response_body", &exchange.response, &exchange.response_body),
                ];
                for (part, _, headers, _) in parts {
                    for (name, value) in headers {
                        redactor.header(part, name, value);
                    }
                }
                for (_, part, headers, body) in parts {
                    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                    let kind = kind.map_or("", |(_, kind)| kind);
                    if let Some(FrameText::Text(text) | FrameText::Binary(text)) = &body.content {
                        redactor.body(part, kind, text);
                    }
                }
                "an HTTP exchange"
            }
            EntryKind::Note(text) => {
                redactor.echo("text", text);
                "a note"
            }
            _ => return,
        };
        let names = std::mem::take(&mut redactor.redacted);
        self.found(names, of, &sight);
    }

    fn take(&mut self, event: &Event) {
        let Event::Called(called) = event else { return };
        let (call, body) = (&called.call, &called.body);
        let seqs = [Some(call.seq), call.answer.as_ref().map(|answer| answer.seq)];
        for (text, seq) in [Some(&body.request), body.answer.as_ref()].into_iter().zip(seqs) {
            let names = match (self.sees, seq) {
                (true, Some(seq)) => self.waiting.remove(&seq).map(|(names, _)| names),
                (true, None) => None,
                (false, _) => text.and_then(|text| self.redaction.frame(text)).map(|clean| clean.redacted),
            };
            self.found(names.unwrap_or_default(), &method(call), &Sight::of(call));
        }
    }

    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding> {
        for (names, sight) in std::mem::take(&mut self.waiting).into_values() {
            self.found(names, "a message", &sight);
        }
        self.found.findings(rule, 1, |about, _| about.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        lint::{Linter, script::Script},
        model::Events,
    };

    fn opened(password: &str) -> Script {
        let result = json!({"qReturn": {"qType": "Doc", "qHandle": 1, "qGenericId": "Sales"}});
        Script::new().connect(1).call(-1, "OpenDoc", json!(["Sales", "ada", password]), result)
    }

    #[test]
    fn secret_of_a_call_is_named_by_its_place_and_never_shown() {
        let found = opened("s3cret").found("secret-in-recording");
        let words: Vec<_> = found.iter().map(|found| &*found.words).collect();
        assert_eq!(words, ["params.1 of OpenDoc", "params.2 of OpenDoc"]);
        assert_eq!(found[0].calls, [2]);
        assert!(!format!("{found:?}").contains("s3cret"));
        let cleaned = Script::new().connect(1).call(-1, "OpenDoc", json!(["Sales", "***", "***"]), json!({}));
        assert!(cleaned.found("secret-in-recording").is_empty());
    }

    #[test]
    fn events_alone_are_enough_for_secrets_of_calls() {
        let mut linter = Linter::new().only(["secret-in-recording"]).unwrap();
        for event in Events::new(opened("s3cret").entries()) {
            linter.take(&event.unwrap());
        }
        assert_eq!(linter.finish().len(), 2);
    }

    #[test]
    fn secrets_of_upgrades_and_of_what_the_engine_says_unasked_are_found_too() {
        let cookie =
            |value: &str| Script::new().connect_with(1, "/app/x?qlikTicket=t1cket", &[("cookie", value)]);
        let words = |script: Script| script.found("secret-in-recording").into_iter().map(|found| found.words);
        let found: Vec<_> =
            words(cookie("s3ssion").push(json!({"method": "OnX", "params": {"token": "s3cret"}}))).collect();
        assert_eq!(found, ["url of an upgrade", "request.cookie of an upgrade", "params.token of a message"]);
        let clean = Script::new().connect_with(1, "/app/x?qlikTicket=***", &[("cookie", "***")]);
        assert_eq!(words(clean).count(), 0);
    }
}
