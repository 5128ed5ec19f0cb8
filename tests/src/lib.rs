//! The fake engine and what end-to-end tests share.
