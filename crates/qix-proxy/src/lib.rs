//! Records and replays the conversation between a Qlik client and its engine.
