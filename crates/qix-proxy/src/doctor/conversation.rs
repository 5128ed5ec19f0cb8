//! The steps once there is a socket: the greeting and one call.

use std::{sync::Mutex, time::Duration};

use qix_protocol::{
    CallError, Connection, ConnectionConfig, Event, Handle, NewRequest, Notification, SessionState, Typed,
    schema::{NoParams, global::EngineVersion},
};
use qix_transport::{Advice, Closed, Message, Socket, SocketExt, redact_url};
use tokio::time::{Instant, timeout_at};

use super::{
    connecting::{Walk, shown},
    report::{Step, Verdict},
};
use crate::chain::chain;

/// How long to wait for a greeting once a call was answered: the oldest engines send none.
const LATE_GREETING: Duration = Duration::from_secs(2);

/// How many news are noted, the last of which says that there are more.
const MAX_NOTICES: usize = 10;

/// What is still to come.
struct Conversation<'w, 'a> {
    connection: Connection<()>,
    walk: &'w Mutex<Walk<'a>>,
    greeted: bool,
    answered: bool,
    failed: bool,
    /// Other news that came.
    notices: usize,
}

/// Asks for the engine's version, and waits for the answer and the greeting.
pub(super) async fn hold(socket: &mut impl Socket, limit: Duration, walk: &Mutex<Walk<'_>>) {
    let mut conversation = Conversation {
        connection: Connection::new(ConnectionConfig::default()),
        walk,
        greeted: false,
        answered: false,
        failed: false,
        notices: 0,
    };
    let mut deadline = Instant::now() + limit;
    // If the socket has ended, receiving says so, after whatever came before the end.
    let _ = conversation.ask(socket).await;
    while !conversation.is_over() {
        let message = match timeout_at(deadline, socket.receive()).await {
            Ok(Ok(message)) => message,
            Ok(Err(closed)) => return conversation.ended(&closed),
            Err(_) => return conversation.silence(limit),
        };
        let was_answered = conversation.answered;
        conversation.take(message);
        if conversation.answered && !was_answered {
            deadline = deadline.min(Instant::now() + LATE_GREETING);
        }
    }
}

impl Conversation<'_, '_> {
    async fn ask(&mut self, socket: &mut impl Socket) -> Result<(), Closed> {
        // Behind a Qlik Sense proxy the greeting may come only after the first request.
        let request = NewRequest {
            id: self.connection.ids().reserve(),
            to: Handle::GLOBAL,
            method: "EngineVersion",
            params: Typed(&NoParams),
            delta: false,
            deadline: None,
        };
        // A new connection takes a first request.
        let _ = self.connection.request(request, ());
        while let Some(text) = self.connection.poll_transmit() {
            socket.send_text(text).await?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.failed || (self.greeted && self.answered)
    }

    fn take(&mut self, message: Message) {
        let text = match message {
            Message::Text(text) => text,
            _ => return self.notice("a binary message came, which no engine sends"),
        };
        if self.connection.handle_text(text.clone()).is_err() {
            let start = shown(&String::from_utf8_lossy(&text[..text.len().min(400)]));
            let what = if start.trim_start().starts_with('<') { "a page" } else { "text" };
            return self.fail(
                Step::failed("engine", format!("the server sent {what} that is no frame of an engine")).hint(Some(
                    "something between here and the engine answers in its place: check the path and the virtual proxy's prefix",
                )),
            );
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Notification(notification) => self.news(&notification),
                Event::Completed { outcome: Ok(answer), .. } => match answer.output::<EngineVersion>() {
                    Ok(output) => {
                        let version = shown(&output.version.component_version);
                        self.answered = true;
                        self.step(
                            Step::passed("engine", format!("version {version}")).detail("version", version),
                        );
                    }
                    Err(_) => {
                        self.fail(Step::failed("engine", "the answer to EngineVersion holds no version"))
                    }
                },
                Event::Completed { outcome: Err(error), .. } => {
                    let hint = match &error {
                        CallError::Engine(error) => Some(error.code.judgement().reason),
                        _ => None,
                    };
                    self.fail(
                        Step::failed("engine", format!("EngineVersion failed: {}", sentence(&error)))
                            .hint(hint.filter(|hint| !hint.is_empty())),
                    );
                }
                _ => {}
            }
        }
    }

    fn news(&mut self, notification: &Notification) {
        match notification.method.as_str() {
            "OnAuthenticationInformation" => {
                let Some(known) = self.connection.authentication().cloned() else { return };
                if known.must_authenticate {
                    let login = known.login_uri.map(|uri| shown(&redact_url(&uri)));
                    let step = Step::failed("greeting", "the proxy wants the user to log in first");
                    let step = match login {
                        Some(login) => step.line(format!("log in at {login}")).detail("login_uri", login),
                        None => step,
                    };
                    return self.fail(step.hint(Some(
                        "the credentials say nothing to this virtual proxy: give others, or ask for the prefix of the one that takes them",
                    )));
                }
                let part = |text: Option<String>| text.map(|text| shown(&text));
                let (directory, user) = (part(known.user_directory), part(known.user_id));
                let says = match (&directory, &user) {
                    (Some(directory), Some(user)) => format!(r"the proxy takes us for {directory}\{user}"),
                    (None, Some(user)) => format!("the proxy takes us for {user}"),
                    (_, None) => "the proxy does not say for whom it takes us".to_owned(),
                };
                let step = Step::passed("greeting", says);
                self.step(step.detail("user_directory", directory).detail("user_id", user));
            }
            "OnConnected" => {
                let Some(state) = self.connection.session_state().cloned() else { return };
                let text = shown(state.as_str());
                self.greeted = true;
                if state.is_fatal() {
                    let step = Step::failed("greeting", format!("the engine says {text}"));
                    self.fail(step.detail("session_state", text).hint(state_hint(&state)));
                } else {
                    self.step(
                        Step::passed("greeting", format!("the engine says {text}"))
                            .detail("session_state", text),
                    );
                }
            }
            method => {
                let says = format!("the proxy says {}", shown(method));
                if notification.is_fatal() {
                    self.fail(
                        Step::failed("notice", says)
                            .hint(Some("the proxy gives up after this: the name says what it misses")),
                    );
                } else {
                    self.notice(&says);
                }
            }
        }
    }

    /// Notes news that nobody asked for; a server that goes on about it is heard no further.
    fn notice(&mut self, says: &str) {
        self.notices += 1;
        let says = match self.notices {
            0..MAX_NOTICES => says,
            MAX_NOTICES => "more news came, which are not shown",
            _ => return,
        };
        self.step(Step::new("notice", Verdict::Warned, says));
    }

    fn ended(&mut self, closed: &Closed) {
        // The end after a failure is no news.
        if self.failed {
            return;
        }
        let name = if self.answered { "greeting" } else { "engine" };
        let reason = closed.parsed_reason();
        let step = Step::failed(name, sentence(closed))
            .detail("close_code", closed.code.get())
            .detail("reason_code", reason.code.as_deref())
            .detail("trace_id", reason.trace_id.as_deref())
            .hint(Some(match closed.advice() {
                Advice::Final => "connecting again will end the same way until something else changes",
                Advice::Reconnect | Advice::Retry => "connect again",
                _ => "connect again after a while",
            }));
        self.fail(step);
    }

    fn silence(&mut self, limit: Duration) {
        if self.answered {
            return self.step(
                Step::new("greeting", Verdict::Warned, "none came")
                    .hint(Some("engines say OnConnected when a socket is open; only very old ones do not")),
            );
        }
        let heard = if self.greeted { "greeted, but " } else { "" };
        self.fail(
            Step::failed("engine", format!("the engine {heard}did not answer EngineVersion within {limit:?}"))
                .hint(Some("the engine may be busy with a reload or a large app: try again, or give --timeout more seconds")),
        );
    }

    fn fail(&mut self, step: Step) {
        // One failure is enough; what follows from it is no news.
        if !self.failed {
            self.failed = true;
            self.step(step);
        }
    }

    fn step(&self, step: Step) {
        Walk::of(self.walk).step(step);
    }
}

/// Returns an error with its causes as it can be shown, for a peer may have written parts of it.
fn sentence(error: &dyn std::error::Error) -> String {
    shown(&redact_url(&chain(error)))
}

fn state_hint(state: &SessionState) -> Option<&'static str> {
    Some(match state {
        SessionState::NoLicense | SessionState::LicenseRenew | SessionState::LicenseInvalid => {
            "the site's licence does not let this user in: ask who looks after it"
        }
        SessionState::LimitExceeded => "the user has too many sessions: close some, or wait until they end",
        SessionState::SecurityHeaderChanged => {
            "a session of the same identity was begun by another user: use another identity in the URL"
        }
        SessionState::AppAccessDenied => "the user may not open this app: check its stream or space",
        SessionState::AppFailure => "the app cannot be opened: check its id",
        SessionState::AccessControlSetupFailure => {
            "the engine could not load its rules: try again in a while"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use qix_transport::{CloseCode, Endpoint, memory};

    use super::*;

    const CREATED: &str =
        r#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;
    const VERSION: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"qVersion":{"qComponentVersion":"12.1.0"}}}"#;

    /// Lets an engine say these texts, close with the code if there is one, and returns what was reported.
    async fn report(texts: &[&str], close: Option<(u16, &str)>) -> Vec<String> {
        let (mut client, mut engine) = memory::pair();
        let speech = async {
            for text in texts {
                engine.send_text(text.to_string()).await.unwrap();
            }
            if let Some((code, reason)) = close {
                engine.close(CloseCode::new(code), reason).await;
            }
            std::future::pending::<()>().await;
        };
        let endpoint = Endpoint::parse("ws://h").unwrap();
        let walk = Mutex::new(Walk::new(&endpoint, &|_| ()));
        tokio::select! {
            () = hold(&mut client, Duration::from_secs(30), &walk) => {}
            () = speech => {}
        }
        let report = walk.into_inner().unwrap().into_report();
        let failed = report.steps.iter().filter(|step| step.verdict == Verdict::Failed).count();
        assert_eq!(failed, usize::from(!report.passed), "one failure is enough");
        let verdict = |verdict| match verdict {
            Verdict::Passed => "ok",
            Verdict::Warned => "warning",
            Verdict::Failed => "failed",
        };
        let steps = report.steps.into_iter();
        steps
            .map(|step| {
                let more = step.lines.into_iter().chain(step.hint).map(|line| format!(" | {line}"));
                format!("{} {}: {}{}", step.step, verdict(step.verdict), step.says, more.collect::<String>())
            })
            .collect()
    }

    async fn only(texts: &[&str], close: Option<(u16, &str)>) -> String {
        let report = report(texts, close).await;
        assert_eq!(report.len(), 1, "{report:?}");
        report.into_iter().next().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn greeting_may_come_before_or_after_the_answer() {
        let (greeting, engine) =
            ("greeting ok: the engine says SESSION_CREATED", "engine ok: version 12.1.0");
        assert_eq!(report(&[CREATED, VERSION], None).await, [greeting, engine]);
        assert_eq!(report(&[VERSION, CREATED], None).await, [engine, greeting]);
    }

    #[tokio::test(start_paused = true)]
    async fn missing_greeting_is_a_warning() {
        let report = report(&[VERSION], None).await;
        assert_eq!(report[0], "engine ok: version 12.1.0");
        assert!(report[1].starts_with("greeting warning: none came"), "{report:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn user_of_the_proxy_is_told() {
        let who = r#"{"method":"OnAuthenticationInformation","params":{"userId":"ada","userDirectory":"ACME","mustAuthenticate":false}}"#;
        let report = report(&[who, CREATED, VERSION], None).await;
        assert_eq!(report[0], r"greeting ok: the proxy takes us for ACME\ada");
        assert_eq!(report.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn must_authenticate_shows_where_to_log_in_but_no_ticket() {
        let who = r#"{"method":"OnAuthenticationInformation","params":{"loginUri":"https://h/login?qlikTicket=s3cret","mustAuthenticate":true}}"#;
        let report = only(&[who, CREATED, VERSION], None).await;
        assert!(report.starts_with("greeting failed: the proxy wants the user to log in first | log in at https://h/login?qlikTicket=*** | "), "{report}");
    }

    #[tokio::test(start_paused = true)]
    async fn session_error_is_a_failure_with_a_hint() {
        let greeting = r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_ERROR_NO_LICENSE"}}"#;
        let report = only(&[greeting], Some((1000, ""))).await;
        assert!(
            report.starts_with(
                "greeting failed: the engine says SESSION_ERROR_NO_LICENSE | the site's licence"
            ),
            "{report}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn fatal_news_of_the_proxy_is_a_failure_and_other_news_a_warning() {
        let fatal = r#"{"method":"OnNoEngineAvailable","params":{"severity":"fatal"}}"#;
        let report_ = only(&[fatal], Some((1000, ""))).await;
        assert!(report_.starts_with("notice failed: the proxy says OnNoEngineAvailable | "), "{report_}");
        let notice = r#"{"method":"OnExcessLicenseAssignment","params":{"severity":"notice"}}"#;
        let report = report(&[CREATED, notice, VERSION], None).await;
        assert_eq!(report[1], "notice warning: the proxy says OnExcessLicenseAssignment");
        assert_eq!(report.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn close_is_told_with_code_meaning_and_trace_id() {
        let report = only(&[], Some((4204, r#"{"code":"QEP-104","traceId":"0123abcd"}"#))).await;
        assert!(report.starts_with("engine failed: socket closed by the peer with 4204 (app not found): QEP-104, trace id 0123abcd | "), "{report}");
    }

    #[tokio::test(start_paused = true)]
    async fn page_in_the_place_of_a_frame_is_told_apart_and_not_shown() {
        let report = only(&["<html><body>s3cret</body></html>"], None).await;
        assert!(
            report.starts_with("engine failed: the server sent a page that is no frame of an engine | "),
            "{report}"
        );
        assert!(!report.contains("s3cret"));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_call_is_told_with_the_code() {
        let answer = r#"{"id":1,"error":{"code":5,"parameter":"","message":"Access is denied"}}"#;
        let report = report(&[CREATED, answer], None).await;
        assert!(report[1].starts_with("engine failed: EngineVersion failed: engine error 5"), "{report:?}");
        let report = self::report(&[CREATED, r#"{"id":1,"result":[]}"#], None).await;
        assert_eq!(report[1], "engine failed: the answer to EngineVersion holds no version");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_writes_cannot_forge_lines_or_show_tickets() {
        let report = only(&[], Some((4200, "\u{1b}[2J\n✓ engine https://h/?qlikTicket=s3cret"))).await;
        let answer =
            r#"{"id":1,"error":{"code":5,"message":"\u001b[2J\n✓ engine https://h/?qlikTicket=s3cret"}}"#;
        for report in [report, only(&[answer], None).await] {
            assert!(!report.contains(char::is_control) && !report.contains("s3cret"), "{report:?}");
            assert!(report.contains("✓ engine"), "{report}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn endless_news_are_noted_ten_times() {
        let notice = r#"{"method":"OnSomething","params":{}}"#;
        let report = report(&[&[notice; 1000][..], &[CREATED, VERSION]].concat(), None).await;
        assert_eq!(report.len(), 12, "{report:?}");
        assert_eq!(report[9], "notice warning: more news came, which are not shown");
    }

    #[tokio::test(start_paused = true)]
    async fn proxy_that_names_no_user_is_not_quoted() {
        let who = r#"{"method":"OnAuthenticationInformation","params":{"mustAuthenticate":false}}"#;
        let report = report(&[who, CREATED, VERSION], None).await;
        assert_eq!(report[0], "greeting ok: the proxy does not say for whom it takes us");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_at_the_deadline() {
        let silent = only(&[], None).await;
        assert!(silent.contains("the engine did not answer EngineVersion within 30s"), "{silent}");
        let report = report(&[CREATED], None).await;
        assert!(report[1].contains("the engine greeted, but did not answer"), "{report:?}");
    }
}
