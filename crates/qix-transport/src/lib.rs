//! Sockets to a Qlik engine: WebSocket over TCP and TLS, credentials, an in-memory pair.
