//! The engine's warnings.

/// A warning that comes with a success, as in `qWarnings` of `ExportData`.
///
/// Any number is kept; the names are those of `LocalizedWarningCode` of the engine's OpenRPC document 12.2528.0.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WarningCode(i32);

super::table::code_table! { WarningCode, "LOCWARN_";
    0 PERSONAL_RELOAD_REQUIRED
    1 PERSONAL_VERSION_EXPIRES_SOON
    1000 EXPORT_DATA_TRUNCATED
    2000 COULD_NOT_OPEN_ALL_OBJECTS
    3000 SEARCH_INVALID_SEARCHFIELD_DETECTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_have_names() {
        assert_eq!(WarningCode::EXPORT_DATA_TRUNCATED.name(), Some("LOCWARN_EXPORT_DATA_TRUNCATED"));
        assert_eq!(
            WarningCode::from_name("LOCWARN_COULD_NOT_OPEN_ALL_OBJECTS").map(WarningCode::get),
            Some(2000)
        );
        assert_eq!(WarningCode::new(7).to_string(), "7");
        assert!(WarningCode::NAMES.is_sorted_by_key(|(code, _)| *code));
    }
}
