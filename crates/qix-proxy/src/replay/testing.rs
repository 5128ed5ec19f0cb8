//! A recording in a test, which fails if the test asked for something else.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use super::{Key, LoadError, ReplayConnect, ReplaySettings, Tapes, tape::Unused};

/// How many calls of each sort a report names.
const MOST_NAMED: usize = 20;

/// Answers a test from a recording, and fails it if the test asks what was not recorded, or does not ask what it must.
///
/// ```
/// use qix_client::Session;
/// use qix_proxy::replay::ReplayTest;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("sales.qixrec");
/// # std::fs::write(&path, r#"{"qixrec":[1,1]}
/// # {"seq":1,"t":0,"conn":1,"kind":"open","url":"/app/Sales","status":101}
/// # {"seq":2,"t":9,"conn":1,"kind":"frame","from":"client","json":{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}}
/// # {"seq":3,"t":9,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}}}}
/// # {"seq":4,"t":9,"conn":1,"kind":"frame","from":"client","json":{"id":2,"handle":1,"method":"GetObject","params":["KPI"]}}
/// # {"seq":5,"t":9,"conn":1,"kind":"frame","from":"engine","json":{"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2}}}}
/// # {"seq":6,"t":9,"conn":1,"kind":"frame","from":"client","json":{"id":3,"handle":2,"method":"GetLayout","params":[]}}
/// # {"seq":7,"t":9,"conn":1,"kind":"frame","from":"engine","json":{"id":3,"result":{"qLayout":{"title":"Sales in total"}}}}
/// # "#)?;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// // In a test: "tests/data/sales.qixrec", recorded once in front of the engine.
/// let replay = ReplayTest::open(&path)?.require("GetLayout");
///
/// let session = Session::connect(&replay.connect()).await?;
/// let doc = session.global().open_doc("Sales").await?;
/// let layout: serde_json::Value = doc.get_object("KPI").await?.get_layout().call_into().await?;
/// assert_eq!(layout["title"], "Sales in total");
/// session.close().await;
///
/// replay.finish();
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a test that drops it at once has been checked at once"]
pub struct ReplayTest {
    connect: ReplayConnect,
    name: String,
    required: Required,
    is_done: bool,
}

#[derive(Debug, Default)]
struct Required {
    all: bool,
    methods: Vec<String>,
}

impl ReplayTest {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file cannot be read or holds no connection.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::open_with(path, &ReplaySettings::default())
    }

    /// Opens a recording that is replayed as `settings` say.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, settings: &ReplaySettings) -> Result<Self, LoadError> {
        let (tapes, _) = Tapes::open(&path)?;
        if tapes.connections() == 0 {
            return Err(LoadError::NoConnection);
        }
        Ok(Self {
            connect: ReplayConnect::new(Arc::new(tapes), settings),
            name: path.as_ref().display().to_string(),
            required: Required::default(),
            is_done: false,
        })
    }

    /// Demands that all recorded calls of a method are made, whatever their object. Default: none.
    pub fn require(mut self, method: &str) -> Self {
        self.required.methods.push(method.to_owned());
        self
    }

    /// Demands that all recorded calls are made.
    pub fn require_all(mut self) -> Self {
        self.required.all = true;
        self
    }

    /// Returns the connector for the client under test.
    pub fn connect(&self) -> ReplayConnect {
        self.connect.clone()
    }

    /// Checks what the test has asked. Dropping the value does the same, unless the test has failed already.
    ///
    /// # Panics
    ///
    /// With a report, if something was asked that was not recorded, or something was not asked that is required.
    pub fn finish(mut self) {
        self.is_done = true;
        if let Some(report) = self.report() {
            panic!("{report}");
        }
    }

    /// Returns what is wrong so far, in words.
    pub fn report(&self) -> Option<String> {
        let misses = self.connect.misses();
        let unanswered = misses.iter().filter(|miss| !matches!(miss.upstream, Some(Ok(()))));
        let misses: Vec<String> = unanswered.map(ToString::to_string).collect();
        let missed = self.connect.summary().missed;
        let required = |method: &str| {
            self.required.all || self.required.methods.iter().any(|required| required == method)
        };
        let recorded = |method: &str| self.connect.tapes().has_method(method);
        let Unused { calls, first } = self.connect.tapes().unused_calls(required, MOST_NAMED);
        let times = |(key, times): &(Key, usize)| match times {
            1 => key.to_string(),
            _ => format!("{key}, {times} times"),
        };
        let mut unused: Vec<String> = first.iter().map(times).collect();
        let unknown = self.required.methods.iter().filter(|method| !recorded(method));
        unused.extend(unknown.map(|method| format!("{method}, which the recording does not have at all")));
        if missed == 0 && unused.is_empty() {
            return None;
        }
        let mut report = format!("{} does not fit this test", self.name);
        list(&mut report, "not in the recording", &misses, usize::try_from(missed).unwrap_or(usize::MAX));
        let more = calls - first.iter().map(|(_, times)| times).sum::<usize>();
        list(&mut report, "required and not asked for", &unused, unused.len() + more);
        Some(report)
    }
}

fn list(report: &mut String, what: &str, calls: &[String], count: usize) {
    for call in calls.iter().take(MOST_NAMED) {
        // Writing to a string cannot fail.
        let _ = write!(report, "\n  {what}: {call}");
    }
    let more = count.saturating_sub(calls.len().min(MOST_NAMED));
    if more > 0 {
        let _ = write!(report, "\n  … and {more} more {what}");
    }
}

impl Drop for ReplayTest {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let Some(report) = self.report() else { return };
        if std::thread::panicking() {
            // It may well be why the test has failed. Nobody is left to hear that the terminal is gone.
            let _ = writeln!(io::stderr(), "{report}");
            return;
        }
        panic!("{report}");
    }
}

#[cfg(test)]
mod tests {
    use qix_transport::{Connect, SocketExt};

    use super::*;

    const RECORDING: &str = r#"{"qixrec":[1,1]}
{"seq":1,"t":0,"conn":1,"kind":"open","url":"/","status":101}
{"seq":2,"t":0,"conn":1,"kind":"frame","from":"client","json":{"id":1,"method":"A"}}
{"seq":3,"t":0,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{}}}
{"seq":4,"t":0,"conn":1,"kind":"frame","from":"client","json":{"id":2,"method":"B"}}
{"seq":5,"t":0,"conn":1,"kind":"frame","from":"engine","json":{"id":2,"result":{}}}
"#;

    async fn asked(methods: &[&str], require: impl FnOnce(ReplayTest) -> ReplayTest) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qixrec");
        std::fs::write(&path, RECORDING).unwrap();
        let mut test = require(ReplayTest::open(&path).unwrap());
        let mut socket = test.connect().connect().await.unwrap();
        for method in methods {
            socket.send_text(format!(r#"{{"id":1,"method":"{method}"}}"#)).await.unwrap();
            socket.receive().await.unwrap();
        }
        test.is_done = true;
        test.report()
    }

    #[tokio::test]
    async fn test_fails_on_a_miss_and_on_a_required_call_that_was_not_made() {
        assert_eq!(asked(&["A"], |test| test).await, None);
        assert_eq!(asked(&["A"], |test| test.require("A")).await, None);
        assert_eq!(asked(&["B", "A"], ReplayTest::require_all).await, None);
        let report = asked(&["A", "C"], |test| test.require("B").require("D")).await.unwrap();
        assert!(report.contains("x.qixrec does not fit this test\n  not in the recording: C() on Global"));
        assert!(report.contains("required and not asked for: B() on Global"), "{report}");
        assert!(report.contains("required and not asked for: D, which the recording does not have"));
        assert!(asked(&[], ReplayTest::require_all).await.unwrap().matches("required").count() == 2);
    }

    #[test]
    #[should_panic(expected = "required and not asked for: A()")]
    fn dropping_it_checks_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qixrec");
        std::fs::write(&path, RECORDING).unwrap();
        drop(ReplayTest::open(&path).unwrap().require("A"));
    }
}
