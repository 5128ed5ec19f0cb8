//! A layout in the shape that engines give, and the patches that follow it.

use std::fmt::Write as _;

/// Rows of the hypercube.
pub const ROWS: usize = 2_000;

/// Patches in each frame of [`patches`].
pub const PATCHES: usize = 20;

fn cell(text: &str, number: &str, element: usize, state: char) -> String {
    format!(r#"{{"qText":"{text}","qNum":{number},"qElemNumber":{element},"qState":"{state}"}}"#)
}

/// A row of the hypercube: a dimension and two measures.
fn row(seed: usize) -> String {
    let (sales, margin) = (seed * 7919 % 1_000_003, 1 + seed * 31 % 99);
    [
        cell(&format!("Customer {seed}"), "\"NaN\"", seed, 'O'),
        cell(&format!("{sales}.50"), &format!("{sales}.5"), 0, 'L'),
        cell(&format!("{margin}%"), &format!("0.{margin:02}"), 0, 'L'),
    ]
    .join(",")
}

fn info(title: &str, count: usize) -> String {
    format!(
        r##"{{"qFallbackTitle":"{title}","qApprMaxGlyphCount":12,"qCardinal":{count},"qSortIndicator":"A","qNumFormat":{{"qType":"F","qnDec":2,"qUseThou":1,"qFmt":"#,##0.00","qDec":".","qThou":","}},"qMin":0.25,"qMax":1000002.5,"qIsAutoFormat":true,"qAttrExprInfo":[],"qAttrDimInfo":[],"qStateCounts":{{"qLocked":0,"qSelected":0,"qOption":{count},"qDeselected":0,"qAlternative":0,"qExcluded":0,"qSelectedExcluded":0,"qLockedExcluded":0}},"cId":"c{count}","autoSort":true,"othersLabel":"Others"}}"##
    )
}

/// Makes a layout of about 0.4 MB: a hypercube of [`ROWS`] rows of three cells, with infos and members of the client's own.
pub fn layout() -> String {
    let rows: Vec<_> = (0..ROWS).map(|seed| format!("[{}]", row(seed))).collect();
    let infos = [info("Sales", 1), info("Margin", 2)].join(",");
    format!(
        r##"{{"qInfo":{{"qId":"LB01","qType":"table"}},"qMeta":{{"privileges":["read","update"]}},"qExtendsId":"9b4e4c95-4322-4404-a5e6-fdc601b76af8","qSelectionInfo":{{}},"qHyperCube":{{"qSize":{{"qcx":3,"qcy":{ROWS}}},"qDimensionInfo":[{}],"qMeasureInfo":[{infos}],"qEffectiveInterColumnSortOrder":[0,1,2],"qGrandTotalRow":[{}],"qDataPages":[{{"qMatrix":[{}],"qTails":[{{"qUp":0,"qDown":0}}],"qArea":{{"qLeft":0,"qTop":0,"qWidth":3,"qHeight":{ROWS}}}}}],"qPivotDataPages":[],"qStackedDataPages":[],"qMode":"S","qNoOfLeftDims":-1,"qTreeNodesOnDim":[],"qColumnOrder":[],"columnWidths":[-1,-1,-1]}},"showTitles":true,"title":"Sales","subtitle":"","footnote":"","showDetails":false,"visualization":"table","color":{{"auto":true,"mode":"primary","paletteColor":{{"index":6}},"measureScheme":"sg","reverseScheme":false}},"legend":{{"show":true,"dock":"auto","showTitle":false}},"templateId":"4d411f68-cc55-4a18-b81b-c2a16b8f255d"}}"##,
        info("Customer", ROWS),
        cell("500000.50", "500000.5", 1, 'X'),
        rows.join(","),
    )
}

/// Makes the list of patches of an update: numbers and texts of cells change, rows come and go, a selection begins and ends.
///
/// Every list fits the layout after any other, and says the same in RFC 6902 as in the engine's dialect.
pub fn patches(seed: usize) -> String {
    let mut list = Vec::new();
    let matrix = "/qHyperCube/qDataPages/0/qMatrix";
    for change in 0..6 {
        let row = (seed * 211 + change * 337) % (ROWS - 10);
        let (cell, number) = (1 + change % 2, seed * 100 + change);
        for (member, value) in [("qNum", format!("{number}.5")), ("qText", format!("\"{number}.50\""))] {
            list.push(format!(
                r#"{{"op":"replace","path":"{matrix}/{row}/{cell}/{member}","value":{value}}}"#
            ));
        }
    }
    for change in 0..2 {
        let (gone, new) = ((seed * 97 + change * 701) % (ROWS - 10), (seed * 53 + change * 13) % (ROWS - 10));
        list.push(format!(r#"{{"op":"remove","path":"{matrix}/{gone}"}}"#));
        list.push(format!(
            r#"{{"op":"add","path":"{matrix}/{new}","value":[{}]}}"#,
            row(ROWS + seed + change)
        ));
    }
    list.push(r#"{"op":"add","path":"/qSelectionInfo/qInSelections","value":true}"#.to_owned());
    list.push(r#"{"op":"remove","path":"/qSelectionInfo/qInSelections"}"#.to_owned());
    let total = "/qHyperCube/qGrandTotalRow/0/qNum";
    list.push(format!(r#"{{"op":"replace","path":"{total}","value":{seed}.5}}"#));
    list.push(format!(r#"{{"op":"replace","path":"/title","value":"Sales, update {seed}"}}"#));
    debug_assert_eq!(list.len(), PATCHES);
    list.join(",")
}

/// Makes the frame that answers `GetLayout` with this list of patches.
pub fn frame(id: usize, patches: &str) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(text, r#"{{"jsonrpc":"2.0","id":{id},"delta":true,"result":{{"qLayout":[{patches}]}}}}"#);
    text
}
