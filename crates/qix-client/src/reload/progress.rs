//! What the engine says while it reloads.

use std::{fmt, time::Duration};

use qix_protocol::{
    MessageCode,
    schema::{ProgressData, ProgressMessage},
};

use super::ScriptError;

/// What is new in a reload since the item before.
#[derive(Clone, Debug)]
pub struct ReloadProgress(ProgressData);

/// One thing that the engine says. `Display` shows its text, or if there is none its code's name and parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ReloadMessage {
    /// What it is about, in no language; zero if the engine gave only text.
    pub code: MessageCode,
    /// What the code is about, such as the name of a table or a number of lines.
    pub parameters: Vec<String>,
    /// The message in the engine's language; empty if the engine gave only the code.
    pub text: String,
}

impl ReloadProgress {
    /// Takes what `GetProgress` has returned; `None` for what an engine says about a request that it does not know, not yet or no
    /// more: started and finished, with nothing done and nothing to say.
    pub(super) fn new(data: ProgressData) -> Option<Self> {
        let counted =
            [data.completed, data.total, data.kb.into(), data.millisecs.into()].iter().any(|n| *n != 0);
        let this = Self(data);
        let nothing = this.0.started
            && this.0.finished
            && !counted
            && !this.0.user_interaction_wanted
            && this.0.error_data.is_empty()
            && this.0.persistent_progress.is_empty()
            && this.0.persistent_progress_messages.is_empty()
            && this.transient().is_none();
        (!nothing).then_some(this)
    }

    /// Returns how much is done, in a unit of the engine's.
    pub fn completed(&self) -> i64 {
        self.0.completed
    }

    /// Returns how much there is to do, as far as the engine knows; it grows.
    pub fn total(&self) -> i64 {
        self.0.total
    }

    /// Returns which part is done, from 0 to 1, if the engine knows.
    pub fn fraction(&self) -> Option<f64> {
        (self.0.total > 0).then(|| (self.0.completed as f64 / self.0.total as f64).clamp(0.0, 1.0))
    }

    /// Returns how long the engine has been at it.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.millisecs).unwrap_or_default())
    }

    /// Returns the new lines of the log, oldest first.
    pub fn messages(&self) -> Vec<ReloadMessage> {
        let lines: Vec<&str> = self.0.persistent_progress.lines().filter(|line| !line.is_empty()).collect();
        let codes = &self.0.persistent_progress_messages;
        if lines.len() == codes.len() {
            return codes.iter().zip(lines).map(|(code, line)| ReloadMessage::new(code, line)).collect();
        }
        // Texts and codes that do not belong together in pairs: the texts say it all, if there are any.
        let nothing = ProgressMessage::default();
        match lines.is_empty() {
            true => codes.iter().map(|code| ReloadMessage::new(code, "")).collect(),
            false => lines.into_iter().map(|line| ReloadMessage::new(&nothing, line)).collect(),
        }
    }

    /// Returns what holds for the moment only, such as how many lines are read.
    pub fn transient(&self) -> Option<ReloadMessage> {
        let message =
            ReloadMessage::new(&self.0.transient_progress_message, self.0.transient_progress.trim_end());
        let says_something = message.code != MessageCode::default()
            || !message.text.is_empty()
            || message.parameters.iter().any(|parameter| !parameter.is_empty());
        says_something.then_some(message)
    }

    /// Returns the new errors of the script.
    pub fn errors(&self) -> Vec<ScriptError> {
        self.0.error_data.iter().cloned().map(ScriptError::from).collect()
    }

    /// Returns what the engine said.
    pub fn data(&self) -> &ProgressData {
        &self.0
    }
}

impl ReloadMessage {
    fn new(message: &ProgressMessage, text: &str) -> Self {
        Self {
            code: message.message_code,
            parameters: message.message_parameters.clone(),
            text: text.to_owned(),
        }
    }
}

impl fmt::Display for ReloadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.text.is_empty() {
            return f.write_str(&self.text);
        }
        match self.code.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "message {}", self.code)?,
        }
        self.parameters.iter().try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn progress(data: Value) -> Option<ReloadProgress> {
        ReloadProgress::new(serde_json::from_value(data).unwrap())
    }

    #[test]
    fn what_is_said_about_an_unknown_request_is_no_progress() {
        let mut dummy = json!({
            "qStarted": true, "qFinished": true, "qCompleted": 0, "qTotal": 0, "qKB": 0, "qMillisecs": 0,
            "qUserInteractionWanted": false, "qPersistentProgress": "", "qTransientProgress": "", "qErrorData": [],
            "qPersistentProgressMessages": [],
            "qTransientProgressMessage": {"qMessageCode": 0, "qMessageParameters": [""]},
        });
        assert!(progress(dummy.clone()).is_none());
        dummy["qMillisecs"] = json!(12);
        assert!(progress(dummy).is_some());
    }

    #[test]
    fn messages_are_read_from_texts_and_from_codes() {
        let old = progress(json!({"qPersistentProgress": "Connected\nOrders << 100 lines\n"})).unwrap();
        let texts: Vec<String> = old.messages().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["Connected", "Orders << 100 lines"]);

        let codes = json!([{"qMessageCode": 5}, {"qMessageCode": 21, "qMessageParameters": ["100"]}]);
        let new = progress(json!({"qPersistentProgressMessages": codes})).unwrap();
        assert_eq!(new.messages()[1].to_string(), "LOCMSG_SCRIPTEDITOR_LINES_FETCHED 100");

        let both =
            json!({"qPersistentProgress": "Connected\n100 lines", "qPersistentProgressMessages": codes});
        let both = progress(both).unwrap().messages();
        assert_eq!((both[1].text.as_str(), both[1].code), ("100 lines", MessageCode::LINES_FETCHED));

        // Three lines of two messages: nothing is left out.
        let odd = json!({"qPersistentProgress": "a\nb\nc", "qPersistentProgressMessages": codes});
        assert_eq!(progress(odd).unwrap().messages().len(), 3);
    }

    #[test]
    fn fraction_is_known_only_with_a_total() {
        assert_eq!(progress(json!({"qCompleted": 5, "qTotal": 20})).unwrap().fraction(), Some(0.25));
        assert_eq!(progress(json!({"qCompleted": 5})).unwrap().fraction(), None);
    }
}
