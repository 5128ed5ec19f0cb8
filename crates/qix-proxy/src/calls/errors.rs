//! Where layouts have errors in them.

use qix_protocol::{
    Tree,
    frame::{Raw, elements, members},
};

/// A value, as it was written or patched.
pub(crate) trait Node: Copy {
    fn each_member(self, visit: &mut dyn FnMut(&str, Self));
    fn each_element(self, visit: &mut dyn FnMut(Self));
}

impl Node for Raw<'_> {
    fn each_member(self, visit: &mut dyn FnMut(&str, Self)) {
        members(self).for_each(|(name, value)| visit(&name, value));
    }

    fn each_element(self, visit: &mut dyn FnMut(Self)) {
        elements(self).for_each(visit);
    }
}

impl Node for &Tree {
    fn each_member(self, visit: &mut dyn FnMut(&str, Self)) {
        self.members().for_each(|(name, value)| visit(&name, value));
    }

    fn each_element(self, visit: &mut dyn FnMut(Self)) {
        self.elements().iter().for_each(visit);
    }
}

/// Finds the errors in a layout: its own, and those of its data, dimensions and measures. One with the code 0 is none.
pub(crate) fn each_error<N: Node>(layout: N, tell: &mut dyn FnMut(N)) {
    layout.each_member(&mut |name, value| match name {
        "qError" => tell(value),
        "qHyperCube" | "qListObject" | "qTreeData" => each_error_of_part(value, tell),
        _ => {}
    });
}

fn each_error_of_part<N: Node>(part: N, tell: &mut dyn FnMut(N)) {
    part.each_member(&mut |name, value| match name {
        "qError" => tell(value),
        "qDimensionInfo" | "qMeasureInfo" => {
            // A list object has a single one, and those of trees have measures of their own.
            each_error_of_part(value, tell);
            value.each_element(&mut |value| each_error_of_part(value, tell));
        }
        _ => {}
    });
}

/// Returns whether there is an error in a layout.
pub(super) fn has_error(layout: &Tree) -> bool {
    let mut found = false;
    each_error(layout, &mut |error| {
        found |= error.member("qErrorCode").and_then(Tree::as_i64).is_some_and(|code| code != 0);
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_layout_its_data_dimensions_and_measures_are_found_and_code_0_is_none() {
        for (layout, expected) in [
            (r#"{"qError":{"qErrorCode":1}}"#, true),
            (r#"{"qHyperCube":{"qError":{"qErrorCode":0}},"qError":{"qErrorCode":7005}}"#, true),
            (r#"{"qHyperCube":{"qMeasureInfo":[{},{"qError":{"qErrorCode":1}}]}}"#, true),
            (r#"{"qListObject":{"qDimensionInfo":{"qError":{"qErrorCode":1}}}}"#, true),
            (r#"{"qTreeData":{"qDimensionInfo":[{"qMeasureInfo":[{"qError":{"qErrorCode":1}}]}]}}"#, true),
            (r#"{"qHyperCube":{"qError":{"qErrorCode":0}},"qError":{}}"#, false),
            (r#"{"qHyperCube":[{"qError":{"qErrorCode":1}}],"qOther":{"qError":{"qErrorCode":1}}}"#, false),
            ("7", false),
        ] {
            assert_eq!(has_error(&Tree::parse(layout.as_bytes()).unwrap()), expected, "{layout}");
            let mut codes = Vec::new();
            each_error(Raw::new(layout.as_bytes()).unwrap(), &mut |error| {
                codes.extend(error.member("qErrorCode").and_then(|code| code.as_integer::<i64>()));
            });
            assert_eq!(codes.iter().any(|code| *code != 0), expected, "{layout}");
        }
    }
}
