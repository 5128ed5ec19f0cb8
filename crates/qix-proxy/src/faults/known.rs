//! Names that are known, and what the known ones bring with them.

use qix_protocol::{ErrorCode, schema::METHODS};
use serde_json::json;

use super::pattern::Pattern;

/// When proxies say what they say, as far as faults are concerned: a time that was, the same in every run.
const TIMESTAMP: &str = "2020-01-01T00:00:00.0000000Z";

/// Notifications, and what the fatal ones among them say; of others the text is empty.
const NOTIFICATIONS: &[(&str, &str)] = &[
    ("OnConnected", ""),
    ("OnAuthenticationInformation", ""),
    ("OnNoEngineAvailable", ""),
    ("OnLicenseAccessDenied", "No access pass can be allocated"),
    ("OnLicenseAccessDeniedPendingUserSync", "The user is not synchronised yet"),
    ("OnExcessLicenseAssignment", "More access was assigned than the licence covers"),
    ("OnMaxParallelSessionsExceeded", "The user has too many parallel sessions"),
    ("OnEngineWebsocketFailed", "The connection to the engine was lost"),
    ("OnNoRepositoryAvailable", "No repository is available"),
    ("OnRepositoryWebsocketFailed", "The connection to the repository was lost"),
    ("OnNoDataPrepServiceAvailable", "No data preparation service is available"),
    ("OnDataPrepServiceWebsocketFailed", "The connection to the data preparation service was lost"),
    ("OnNoPrintingServiceAvailable", "No printing service is available"),
    ("OnSessionTimedOut", "The session was idle for too long"),
    ("OnSessionLoggedOut", "The user has logged out"),
    ("OnSessionClosed", "The session was closed"),
];

/// Returns the parameters that a notification has unless others were given, as JSON.
pub(super) fn notification_params(method: &str) -> String {
    let params = match NOTIFICATIONS.iter().find(|(name, _)| *name == method) {
        None => json!({}),
        Some(("OnConnected", _)) => json!({"qSessionState": "SESSION_CREATED"}),
        Some(("OnAuthenticationInformation", _)) => {
            json!({"loginUri": "https://localhost/login", "mustAuthenticate": true})
        }
        Some((_, "")) => json!({"severity": "fatal", "timestamp": TIMESTAMP}),
        Some((_, message)) => json!({"severity": "fatal", "timestamp": TIMESTAMP, "message": message}),
    };
    params.to_string()
}

/// Returns the known notification that an unknown one was probably meant to be.
pub(super) fn meant_notification(method: &str) -> Option<&'static str> {
    let names = || NOTIFICATIONS.iter().map(|(name, _)| *name);
    if names().any(|name| name == method) { None } else { nearest(method, names()) }
}

/// Returns the sentence that warns of a pattern which no known method matches.
pub(super) fn unknown_method(pattern: &Pattern) -> Option<String> {
    let unknown = pattern.alternatives().find(|name| {
        let pattern = Pattern::new(name);
        !pattern.is_some_and(|pattern| METHODS.iter().any(|info| pattern.matches(info.name)))
    })?;
    let near = nearest(unknown, METHODS.iter().map(|info| info.name));
    let meant = near.map(|near| format!("; {near} was meant?")).unwrap_or_default();
    Some(format!("no method of the engine that is known is called {unknown}{meant}"))
}

/// Finds a code by its number or by a name such as `LOCERR_GENERIC_ABORTED`.
///
/// # Errors
///
/// A sentence that says what would be right.
pub(super) fn error_code(text: &str) -> Result<i32, String> {
    if text.parse::<f64>().is_ok() {
        return match text.parse::<i32>() {
            // Clients tell success by it.
            Ok(0) => Err("0 is no error; write another code, such as 15".to_owned()),
            Ok(code) => Ok(code),
            Err(_) => Err(format!("{text} is no error code; write a whole number such as 15")),
        };
    }
    match ErrorCode::from_name(text) {
        Some(ErrorCode::GENERIC_OK) => Err("LOCERR_GENERIC_OK is no error; write another code".to_owned()),
        Some(code) => Ok(code.get()),
        None => {
            let names: Vec<&str> =
                (-33_000..=40_000).filter_map(|code| ErrorCode::new(code).name()).collect();
            let bare = text.strip_prefix("LOCERR_").unwrap_or(text);
            let near = nearest(bare, names.iter().map(|name| name.strip_prefix("LOCERR_").unwrap_or(name)));
            let meant =
                near.map(|near| format!("LOCERR_{near} was meant, or write")).unwrap_or("write".to_owned());
            Err(format!("no error is called {text}; {meant} a number such as 15"))
        }
    }
}

/// Returns what an error of the engine with this code says.
pub(super) fn error_message(code: i32) -> String {
    let code = ErrorCode::new(code);
    match (code, code.name()) {
        (ErrorCode::GENERIC_ABORTED, _) => "Request aborted".to_owned(),
        (_, None) => "Unknown error".to_owned(),
        // The names say it, once they are written as people write.
        (_, Some(name)) => {
            let bare = name.strip_prefix("LOCERR_").unwrap_or(name);
            let bare = bare.strip_prefix("GENERIC_").or(bare.strip_prefix("JSON_RPC_")).unwrap_or(bare);
            let words = bare.replace('_', " ").to_lowercase();
            words[..1].to_uppercase() + &words[1..]
        }
    }
}

/// Returns the name that is most like `name`, if one is like it at all.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let most = (name.len() / 3).max(1);
    names
        .map(|other| (strsim::osa_distance(&lower, &other.to_lowercase()), other))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_number_and_name_and_wrong_ones_name_the_nearest() {
        assert_eq!(error_code("15"), Ok(15));
        assert_eq!(error_code("-32601"), Ok(-32601));
        assert_eq!(error_code("LOCERR_GENERIC_ABORTED"), Ok(15));
        assert_eq!(error_code("GENERIC_ABORTED"), Ok(15));
        assert!(
            error_code("LOCERR_GENERIC_ABORTD").unwrap_err().contains("LOCERR_GENERIC_ABORTED was meant")
        );
        assert!(error_code("xyz").unwrap_err().contains("no error is called xyz"));
        assert!(error_code("1.5").unwrap_err().contains("whole number"));
        assert!(error_code("0").is_err() && error_code("GENERIC_OK").is_err());
        assert_eq!(error_message(15), "Request aborted");
        assert_eq!(error_message(2), "Not found");
        assert_eq!(error_message(-32601), "Method not found");
        assert_eq!(error_message(123_456), "Unknown error");
    }

    #[test]
    fn unknown_methods_are_warned_of_with_the_nearest_known_one() {
        let warning = |text| unknown_method(&Pattern::new(text).unwrap());
        assert_eq!(warning("GetLayout|Open*"), None);
        assert!(warning("GetHypercubeDatas").unwrap().contains("GetHyperCubeData was meant?"));
        assert!(warning("Qux*").unwrap().ends_with("called Qux*"));
        assert_eq!(meant_notification("OnSesionTimedOut"), Some("OnSessionTimedOut"));
        assert_eq!((meant_notification("OnConnected"), meant_notification("MyOwn")), (None, None));
    }

    #[test]
    fn all_known_notifications_have_parameters() {
        for (name, _) in NOTIFICATIONS {
            let params: serde_json::Value = serde_json::from_str(&notification_params(name)).unwrap();
            assert!(!params.as_object().unwrap().is_empty(), "{name}");
        }
        assert_eq!(notification_params("MyOwn"), "{}");
    }
}
