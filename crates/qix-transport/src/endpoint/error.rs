//! What is wrong with a URL, or with the parts of one.

/// Why a text is not the URL of an engine, or why parts do not make one.
///
/// Each message is one sentence that says what to write instead. None repeats the URL, which may hold secrets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no scheme, or one that is neither `ws`, `wss`, `http` nor `https`.
    #[error("the URL must start with ws:// or wss:// (http:// and https:// are taken as these)")]
    Scheme,
    /// The host is missing or is no name, IPv4 address or IPv6 address in brackets.
    #[error("the URL needs a host name, an IPv4 address or an IPv6 address in brackets after ://")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port in the URL must be a number from 1 to 65535")]
    Port,
    /// There is a user name or password before the host.
    #[error("a user name or password in the URL is not used by any engine; give credentials by Auth")]
    UserInfo,
    /// There is a `#`.
    #[error("a WebSocket URL has no fragment; write # as %23 if it belongs to a name")]
    Fragment,
    /// There is a control character, such as a line break.
    #[error("the path of the URL holds a control character, such as a line break, at byte {at}")]
    Control {
        /// Where in path and query, counted from 0.
        at: usize,
    },
    /// Path and query are longer than 64 KiB or hold something else no request may hold.
    #[error("the path of the URL is too long or holds a character that must be percent-encoded")]
    Path,
    /// A query parameter is glued to the path with `&`, which makes it a part of the app's name.
    #[error("the first query parameter of the URL must follow a question mark, not an ampersand")]
    Ampersand,
    /// The address given to a constructor has an app, a query or a fragment in it.
    #[error("the address must end before the app and the query; give a whole URL to Endpoint::parse")]
    Address,
    /// A part of the path is empty, `.` or `..`, which routers resolve instead of reading.
    #[error(
        "the {what} in the path must not be empty, a dot or two dots, or have one of these between slashes"
    )]
    Segment {
        /// Which part: app, identity, prefix or route.
        what: &'static str,
    },
    /// A query parameter has an empty name.
    #[error("a query parameter must have a name")]
    Parameter,
    /// The reload URI is relative, or percent-encoded already.
    #[error("the reload URI must be absolute, such as https://host/page, and not percent-encoded as a whole")]
    ReloadUri,
}
