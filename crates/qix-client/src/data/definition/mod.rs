//! What to compute: definitions in a few words, on top of the schema's types.

mod cube;
mod dimension;
mod limit;
mod list;
mod measure;
mod sort;

pub use cube::CubeDef;
pub use dimension::Dimension;
pub use limit::Limit;
pub use list::ListDef;
pub use measure::Measure;
pub use sort::Sort;
