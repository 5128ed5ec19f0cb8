//! How clients come in.

/// What a listener knows of the connections that it accepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrance {
    /// Whether the client speaks TLS to us, so that our own origin begins with `https`.
    pub(crate) secure: bool,
}
