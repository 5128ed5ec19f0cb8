//! The classes of the engine's objects, as types.

/// A class of objects; its methods are those whose [`Method::Class`](super::Method::Class) it is.
pub trait Class {
    /// The name, as `qType` of a reference says it.
    const NAME: &'static str;
}

macro_rules! classes {
    ($($name:ident: $what:literal),* $(,)?) => {$(
        #[doc = $what]
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub struct $name;

        impl Class for $name {
            const NAME: &'static str = stringify!($name);
        }
    )*};
}

classes! {
    Doc: "An app.",
    Field: "A field of the data model.",
    GenericBookmark: "A bookmark.",
    GenericDimension: "A dimension of the library.",
    GenericMeasure: "A measure of the library.",
    GenericObject: "A sheet, chart, list or anything else with properties and a layout.",
    GenericVariable: "A variable.",
    Global: "The engine itself; always open, as [`Handle::GLOBAL`](crate::Handle::GLOBAL).",
    Variable: "A variable, in the deprecated interface.",
}
