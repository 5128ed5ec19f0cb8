//! The engine's error codes.

/// The engine's number for an error; the same numbers stand in layouts as `qErrorCode`.
///
/// Any number is kept. The 335 that have names are those of the engine's OpenRPC document 12.2528.0 and three newer ones of
/// `@qlik/api` (22, 1019, 11049); a code never changed its name between versions. Reads a number or a name, writes the number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ErrorCode(pub(super) i32);

/// What part of the engine an error comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorFamily {
    /// The frame or the call itself: −32700 to −32600.
    JsonRpc,
    /// Anything of the engine: −128 to 22.
    Generic,
    /// An HTTP service behind the engine: the status, and 700 for a host that was not found.
    Http,
    /// Opening, creating, saving and moving apps: from 1000.
    App,
    /// Data connections and connectors: from 2000.
    Connection,
    /// Data files: from 3000.
    File,
    /// The user's rights and identity: from 4000, and 12004.
    User,
    /// The server and its licence: from 5000.
    Server,
    /// The state of a hypercube object: from 6000.
    HyperCubeObject,
    /// Calculations: from 7000, and 30100 for set expressions.
    Calculation,
    /// Objects that extend or link others: from 8000.
    Layout,
    /// What is stored: from 9000.
    Persistence,
    /// What a script may reach: 10000.
    Script,
    /// Running a script: from 11000, and 30101 for merging.
    Reload,
    /// The personal edition: from 12000.
    Personal,
    /// Exports: from 13000.
    Export,
    /// Synchronising: 14000.
    Sync,
    /// Searching: 15000.
    Search,
    /// Direct Discovery: from 16000.
    DirectDiscovery,
    /// Smart load: from 17000.
    SmartLoad,
    /// Variables: from 18000.
    Variable,
    /// Media libraries: from 19000.
    Media,
    /// A feature that is off: 20000.
    Feature,
    /// Limits of what is loaded: from 21000.
    Load,
    /// External engines, by their gRPC status: from 22000.
    ExternalEngine,
    /// Writing spreadsheets: from 23001.
    XlsxWriter,
    /// The big data index: from 24000.
    Bdi,
    /// Trend lines: from 25000.
    TrendLine,
    /// What curl or Windows said of a transfer: from 30000.
    Internet,
    /// Bookmarks: 31000.
    Bookmark,
    /// Message queues: from 33000.
    MessageQueue,
    /// The code has no name here.
    Unknown,
}

impl ErrorCode {
    /// Returns what part of the engine the error comes from.
    ///
    /// Numbers are allotted by the thousand; where a name says otherwise (12004, 30100, 30101) the name counts.
    pub fn family(self) -> ErrorFamily {
        use ErrorFamily as Family;
        if self.name().is_none() {
            return Family::Unknown;
        }
        match self {
            Self::USER_AUTHENTICATION_FAILURE => return Family::User,
            Self::SETEXPRESSION_TOO_LARGE => return Family::Calculation,
            Self::RELOAD_MERGE_LOAD_ERROR => return Family::Reload,
            _ => {}
        }
        match self.0 {
            ..=-32600 => Family::JsonRpc,
            -128..=399 => Family::Generic,
            400..=999 => Family::Http,
            1000..=1999 => Family::App,
            2000..=2999 => Family::Connection,
            3000..=3999 => Family::File,
            4000..=4999 => Family::User,
            5000..=5999 => Family::Server,
            6000..=6999 => Family::HyperCubeObject,
            7000..=7999 => Family::Calculation,
            8000..=8999 => Family::Layout,
            9000..=9999 => Family::Persistence,
            10000..=10999 => Family::Script,
            11000..=11999 => Family::Reload,
            12000..=12999 => Family::Personal,
            13000..=13999 => Family::Export,
            14000..=14999 => Family::Sync,
            15000..=15999 => Family::Search,
            16000..=16999 => Family::DirectDiscovery,
            17000..=17999 => Family::SmartLoad,
            18000..=18999 => Family::Variable,
            19000..=19999 => Family::Media,
            20000..=20999 => Family::Feature,
            21000..=21999 => Family::Load,
            22000..=22999 => Family::ExternalEngine,
            23000..=23999 => Family::XlsxWriter,
            24000..=24999 => Family::Bdi,
            25000..=25999 => Family::TrendLine,
            30000..=30999 => Family::Internet,
            31000..=31999 => Family::Bookmark,
            33000..=33999 => Family::MessageQueue,
            _ => Family::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_the_names() {
        use ErrorFamily as Family;
        for (prefix, family) in [
            ("JSON_RPC_", Family::JsonRpc),
            ("GENERIC_", Family::Generic),
            ("INTERNAL_ERROR", Family::Generic),
            ("HTTP_", Family::Http),
            ("APP_", Family::App),
            ("CONNECT", Family::Connection),
            ("FILE_", Family::File),
            ("USER_", Family::User),
            ("SERVER_", Family::Server),
            ("HC_", Family::HyperCubeObject),
            ("CALC_", Family::Calculation),
            ("SETEXPRESSION_", Family::Calculation),
            ("LAYOUT_", Family::Layout),
            ("PERSISTENCE_", Family::Persistence),
            ("SCRIPT_", Family::Script),
            ("RELOAD_", Family::Reload),
            ("PERSONAL_", Family::Personal),
            ("EXPORT_", Family::Export),
            ("SYNC_", Family::Sync),
            ("SEARCH_", Family::Search),
            ("DIRECT_DISCOVERY_", Family::DirectDiscovery),
            ("SMART_LOAD_", Family::SmartLoad),
            ("VARIABLE_", Family::Variable),
            ("MEDIA_", Family::Media),
            ("FEATURE_", Family::Feature),
            ("LOAD_", Family::Load),
            ("EXTENGINE_", Family::ExternalEngine),
            ("LXW_", Family::XlsxWriter),
            ("BDI_", Family::Bdi),
            ("TRENDLINE_", Family::TrendLine),
            ("CURL_", Family::Internet),
            ("WIN_", Family::Internet),
            ("BM_", Family::Bookmark),
            ("MQ_", Family::MessageQueue),
        ] {
            let named = |name: &&str| name["LOCERR_".len()..].starts_with(prefix);
            let found: Vec<_> = ErrorCode::names().filter(named).collect();
            assert!(!found.is_empty(), "{prefix}");
            for name in found {
                assert_eq!(ErrorCode::from_name(name).unwrap().family(), family, "{name}");
            }
        }
    }

    #[test]
    fn every_named_code_has_a_family_and_no_other_has() {
        assert!(
            ErrorCode::names()
                .all(|name| ErrorCode::from_name(name).unwrap().family() != ErrorFamily::Unknown)
        );
        for number in [i32::MIN, -32000, -11, 23, 999, 1020, 22017, 32000, i32::MAX] {
            assert_eq!(ErrorCode::new(number).family(), ErrorFamily::Unknown, "{number}");
        }
    }
}
