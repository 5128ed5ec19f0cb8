//! End-to-end tests against a fake engine.
