//! record_replay
