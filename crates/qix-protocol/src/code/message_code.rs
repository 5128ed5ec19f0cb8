//! What the engine says while it reloads.

/// The kind of a progress message, as `qMessageCode` of `GetProgress` carries it: the same
/// in every language of the engine.
///
/// Any number is kept; the names are those of `LocalizedMessageCode` in the schemas of enigma.js, up to 12.2027.0; the
/// OpenRPC document does not list them.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageCode(i32);

super::table::code_table! { MessageCode, "LOCMSG_SCRIPTEDITOR_";
    /// No message; also what the answer about an unknown or finished reload carries.
    0 EMPTY_MESSAGE
    1 PROGRESS_SAVING_STARTED
    2 PROGRESS_BYTES_LEFT
    3 PROGRESS_STORING_TABLES
    4 PROGRESS_QVD_ROWS_SO_FAR
    5 PROGRESS_CONNECTED
    6 PROGRESS_CONNECTING_TO
    7 PROGRESS_CONNECT_FAILED
    8 PROGRESS_QVD_ROWISH
    9 PROGRESS_QVD_COLUMNAR
    10 ERROR
    11 DONE
    12 LOAD_EXTERNAL_DATA
    13 PROGRESS_OLD_QVD_ISLOADING
    14 PROGRESS_QVC_LOADING
    15 PROGRESS_QVD_BUFFERED
    16 PROGRESS_QVC_PREPARING
    17 PROGRESS_QVC_APPENDING
    18 REMOVE_SYNTHETIC
    19 PENDING_LINKEDTABLE_FETCHING
    20 RELOAD
    /// Its parameter is how many lines were read so far.
    21 LINES_FETCHED
    22 SEARCHINDEX_START
    23 SEARCHINDEX_FIELD
    24 SEARCHINDEX_SUCCESS
    25 SEARCHINDEX_FAILURE
    26 SEARCHINDEX_STARTABORT
    27 SEARCHINDEX_ENDABORT
    28 SEARCHINDEX_TIMEOUT
    29 SEARCHINDEX_OUTOFMEMORY
    30 ACCESS_DENIED_AFTER_RELOAD
    31 MERGED_UPDATES
    32 MERGED_INSERTS
    33 MERGED_DELETES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_messages_have_names_in_one_row_from_zero() {
        assert!(MessageCode::NAMES.iter().map(|(code, _)| *code).eq(0..=33));
        assert_eq!(MessageCode::LINES_FETCHED.name(), Some("LOCMSG_SCRIPTEDITOR_LINES_FETCHED"));
        assert_eq!(MessageCode::from_name("MERGED_DELETES"), Some(MessageCode::new(33)));
    }
}
