//! An asynchronous, typed client for the Qlik engine.
