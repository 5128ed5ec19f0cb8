//! Pages as record batches.
