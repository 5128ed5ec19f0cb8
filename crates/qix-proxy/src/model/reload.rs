//! Progress of calls that take long.

use std::sync::Arc;

use qix_protocol::{MessageCode, schema::ProgressData};

use super::{names::Object, words::shown};
use crate::record::Redaction;

/// A call in flight whose progress can be asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Running {
    /// The connection.
    pub(crate) conn: u64,
    /// The number of the call on its connection.
    pub(crate) call: u64,
    /// The object that it was made on.
    pub(crate) object: Arc<Object>,
    /// The method.
    pub(crate) method: String,
    /// When it was made, in microseconds since the recording began.
    pub(crate) since: u64,
    /// How much is done, if the engine knows.
    pub(crate) percent: Option<u8>,
    /// What the engine said last, without secrets and fit for a terminal.
    pub(crate) text: String,
    /// Whether the engine waits for an answer of the user.
    pub(crate) wants_user: bool,
}

/// What an answer to `GetProgress` has changed.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct News {
    /// Errors of the script.
    pub(crate) errors: Vec<String>,
    /// The engine has begun to wait for the user.
    pub(crate) wants_user: bool,
}

/// Returns whether clients watch calls of the method by `GetProgress`.
pub(crate) fn takes_long(method: &str) -> bool {
    matches!(method, "DoReload" | "DoReloadEx" | "DoSave")
}

impl Running {
    /// Takes in an answer to `GetProgress`. What an engine says of an id that it does not know changes nothing.
    pub(crate) fn take(&mut self, redaction: &Redaction, progress: &ProgressData) -> News {
        let mut news = News::default();
        if is_dummy(progress) {
            return news;
        }
        if progress.total > 0 && progress.completed >= 0 {
            let share = progress.completed.min(progress.total) as f64 / progress.total as f64;
            self.percent = Some((share * 100.0) as u8);
        }
        let lasting = progress.persistent_progress.lines().rev().find(|line| !line.trim().is_empty());
        let passing = progress.transient_progress.trim();
        let said = lasting.or(Some(passing).filter(|text| !text.is_empty()));
        if let Some(text) = said {
            self.text = shown(redaction, text);
        } else if let Some(message) =
            progress.persistent_progress_messages.last().or(Some(&progress.transient_progress_message))
            && let Some(name) = message.message_code.name()
            && message.message_code != MessageCode::EMPTY_MESSAGE
        {
            // Newer engines leave the texts out.
            let name = name.trim_start_matches("LOCMSG_SCRIPTEDITOR_").trim_start_matches("PROGRESS_");
            let words = name.to_lowercase().replace('_', " ");
            let parameters = message.message_parameters.join(" ");
            self.text = shown(redaction, format!("{words} {parameters}").trim());
        }
        news.errors = progress
            .error_data
            .iter()
            .map(|error| shown(redaction, &error.error_string))
            .map(|text| if text.is_empty() { "an error without a text".to_owned() } else { text })
            .collect();
        news.wants_user = progress.user_interaction_wanted && !self.wants_user;
        self.wants_user = progress.user_interaction_wanted;
        news
    }
}

/// Engines answer so about a reload that they do not know, or whose news was all told.
fn is_dummy(progress: &ProgressData) -> bool {
    progress.started
        && progress.finished
        && (progress.completed, progress.total) == (0, 0)
        && progress.persistent_progress.is_empty()
        && progress.persistent_progress_messages.is_empty()
        && progress.error_data.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Running {
        Running {
            conn: 1,
            call: 1,
            object: Arc::default(),
            method: "DoReload".to_owned(),
            since: 0,
            percent: None,
            text: String::new(),
            wants_user: false,
        }
    }

    fn take(running: &mut Running, text: &str) -> News {
        running.take(&Redaction::standard(), &serde_json::from_str(text).unwrap())
    }

    #[test]
    fn progress_has_share_and_text_and_its_dummy_changes_nothing() {
        let mut running = running();
        let text = r#"{"qStarted":true,"qCompleted":120,"qTotal":1000,"qPersistentProgress":"Orders << orders.csv\n120 lines fetched\n"}"#;
        assert_eq!(take(&mut running, text), News::default());
        let seen = running.clone();
        assert_eq!((seen.percent, &*seen.text), (Some(12), "120 lines fetched"));
        take(
            &mut running,
            r#"{"qStarted":true,"qFinished":true,"qTransientProgressMessage":{"qMessageCode":0,"qMessageParameters":[""]}}"#,
        );
        assert_eq!(running, seen);
    }

    #[test]
    fn progress_without_texts_is_read_from_its_messages() {
        let mut running = running();
        let text = r#"{"qStarted":true,"qTransientProgressMessage":{"qMessageCode":21,"qMessageParameters":["120"]}}"#;
        take(&mut running, text);
        assert_eq!(running.text, "lines fetched 120");
    }

    #[test]
    fn errors_of_the_script_and_questions_are_news_once() {
        let mut running = running();
        let text = r#"{"qStarted":true,"qUserInteractionWanted":true,"qErrorData":[{"qErrorString":"Field x not found, password=s3cret","qLine":"LOAD x"}]}"#;
        let news = take(&mut running, text);
        assert!(news.wants_user && news.errors.len() == 1);
        assert!(
            news.errors[0].contains("Field x not found") && !news.errors[0].contains("s3cret"),
            "{news:?}"
        );
        assert!(!take(&mut running, r#"{"qStarted":true,"qUserInteractionWanted":true}"#).wants_user);
    }
}
