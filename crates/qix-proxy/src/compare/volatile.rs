//! What differs from run to run and says nothing.

/// Members that are another each time: times, durations, and what an engine numbers as it goes.
const NAMES: [&str; 24] = [
    "createdDate",
    "creationDate",
    "fileTime",
    "lastReloadTime",
    "modifiedByUserName",
    "modifiedDate",
    "publishTime",
    "qFileTime",
    "qLastReloadTime",
    "qLastSuccessfulReload",
    "qModifiedDate",
    "qReloadTime",
    "qScriptLogFile",
    "qSessionId",
    "qTimeStamp",
    "qTimestamp",
    "qUniqueID",
    "qUpdated",
    "qUsedMemory",
    "qUtcModifyTime",
    "reloadTime",
    "sessionId",
    "timestamp",
    "traceId",
];

/// Methods that say how far something is just now.
const METHODS: [&str; 2] = ["GetInteract", "GetProgress"];

/// Returns whether the value at a place in a result is not compared.
pub(crate) fn is_volatile<S: AsRef<str>>(method: &str, path: &[S]) -> bool {
    METHODS.contains(&method) || path.last().is_some_and(|name| NAMES.contains(&name.as_ref()))
}
