//! Layouts and data pages made up in the shape and size of real ones.
//!
//! Numbers come from a fixed sequence, so every run has the same bytes.

/// The size of a large layout, in bytes.
pub const LAYOUT: usize = 300_000;

/// A sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Makes the frame that answers `GetLayout` of a chart with about so many bytes, most of them cells.
pub fn chart(bytes: usize) -> String {
    let mut numbers = Numbers(1);
    let mut layout = String::from(
        r#"{"qInfo":{"qId":"jcXYz","qType":"combochart"},"qMeta":{"privileges":["read","update"]},"qExtendsId":"16451113-aaaa-4529-8406-c4900a36e52f","qSelectionInfo":{},"qHyperCube":"#,
    );
    hypercube(&mut layout, 2, 3, &mut numbers, |matrix, row| matrix.len() + 2500 < bytes || row == 0);
    layout += CHART;
    answer("qLayout", &layout)
}

/// Makes the frame that answers `GetLayout` of a small table with about 2 KB.
pub fn small() -> String {
    let mut layout = String::from(
        r#"{"qInfo":{"qId":"kpi7","qType":"kpi"},"qMeta":{"privileges":["read"]},"qSelectionInfo":{},"title":"Sales","visualization":"kpi","qHyperCube":"#,
    );
    hypercube(&mut layout, 0, 2, &mut Numbers(4), |matrix, _| matrix.len() < 1700);
    layout += KPI;
    answer("qLayout", &layout)
}

/// Makes a frame with the layouts of a sheet: 15 single figures, 5 tables, 3 bar charts, in the sizes of a real app.
pub fn sheet() -> String {
    let mut numbers = Numbers(2);
    let mut layouts = String::from("{");
    for object in 0..23 {
        let (kind, dimensions, measures, rows) = match object {
            0..15 => ("kpi", 0, 1, 1),
            15..20 => ("table", 1, 5, 9),
            _ => ("barchart", 2, 1, 20),
        };
        let comma = if object > 0 { "," } else { "" };
        layouts += &format!(
            r#"{comma}"obj{object}":{{"qInfo":{{"qId":"obj{object}","qType":"{kind}"}},"qMeta":{{"privileges":["read"]}},"qSelectionInfo":{{}},"showTitles":false,"visualization":"{kind}","qHyperCube":"#
        );
        hypercube(&mut layouts, dimensions, measures, &mut numbers, |_, row| row < rows);
        layouts += if kind == "kpi" { KPI } else { CHART };
    }
    layouts.push('}');
    answer("qLayouts", &layouts)
}

/// Makes the frame that answers `GetHyperCubeData` with about so many bytes.
pub fn data(bytes: usize) -> String {
    let mut pages = String::new();
    data_pages(&mut pages, 2, 3, &mut Numbers(3), |matrix, _| matrix.len() < bytes);
    answer("qDataPages", &pages)
}

fn answer(member: &str, value: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":12,"result":{{"{member}":{value}}},"change":[3,17]}}"#)
}

fn hypercube(
    out: &mut String,
    dimensions: usize,
    measures: usize,
    numbers: &mut Numbers,
    more: impl Fn(&str, u64) -> bool,
) {
    let list = |count: usize, item: &dyn Fn(usize) -> String| {
        let items: Vec<_> = (0..count).map(item).collect();
        format!("[{}]", items.join(","))
    };
    *out += &format!(r#"{{"qSize":{{"qcx":{},"qcy":500}},"qDimensionInfo":"#, dimensions + measures);
    *out += &list(dimensions, &|at| {
        format!(
            r##"{{"qFallbackTitle":"Dimension {at}","qApprMaxGlyphCount":9,"qCardinal":10,"qSortIndicator":"A","qGroupFallbackTitles":["Dimension {at}"],"qGroupPos":0,"qStateCounts":{{"qLocked":0,"qSelected":0,"qOption":10,"qDeselected":0,"qAlternative":0,"qExcluded":0,"qSelectedExcluded":0,"qLockedExcluded":0}},"qTags":["$ascii","$text"],"qDimensionType":"D","qGrouping":"N","qNumFormat":{{"qType":"U","qnDec":0,"qUseThou":0}},"qIsAutoFormat":true,"qGroupFieldDefs":["=[Dim {at}.Label]"],"qMin":"NaN","qMax":"NaN","qAttrExprInfo":[],"qAttrDimInfo":[],"qCardinalities":{{"qCardinal":10,"qHypercubeCardinal":10,"qAllValuesCardinal":-1}},"qLibraryId":"zMQ{at}","title":"Dimension {at}","coloring":{{"colorMapRef":"zMQ{at}","changeHash":"0.933379778{at}"}},"autoSort":false,"cId":"hV{at}","othersLabel":"Others"}}"##
        )
    });
    *out += r#","qMeasureInfo":"#;
    *out += &list(measures, &|at| {
        format!(
            r##"{{"qFallbackTitle":"Measure {at}","qApprMaxGlyphCount":6,"qCardinal":0,"qSortIndicator":"D","qNumFormat":{{"qType":"F","qnDec":2,"qUseThou":0,"qFmt":"#,##0","qDec":".","qThou":","}},"qMin":85,"qMax":7934.25,"qAttrExprInfo":[{{"qMin":"NaN","qMax":"NaN"}}],"qAttrDimInfo":[],"qTrendLines":[],"autoSort":false,"cId":"EV{at}","numFormatFromTemplate":true,"isCustomFormatted":false}}"##
        )
    });
    *out += r#","qEffectiveInterColumnSortOrder":[0,1],"qGrandTotalRow":"#;
    *out += &list(measures, &|_| {
        r#"{"qText":"30,383","qNum":30383,"qElemNumber":-1,"qState":"X","qIsTotalCell":true}"#.to_owned()
    });
    *out += r#","qDataPages":"#;
    data_pages(out, dimensions, measures, numbers, more);
    *out += r#","qPivotDataPages":[],"qStackedDataPages":[],"qMode":"S","qNoOfLeftDims":-1,"qTreeNodesOnDim":[],"qColumnOrder":[],"columnOrder":[0,1],"customErrorMessage":{"calcCond":""}}"#;
}

/// Writes one page of rows for as long as `more` says of the text so far and the number of rows.
fn data_pages(
    out: &mut String,
    dimensions: usize,
    measures: usize,
    numbers: &mut Numbers,
    more: impl Fn(&str, u64) -> bool,
) {
    *out += r#"[{"qMatrix":["#;
    let mut row = 0;
    while more(out, row) {
        *out += if row > 0 { ",[" } else { "[" };
        for column in 0..dimensions + measures {
            if column > 0 {
                out.push(',');
            }
            *out += &match column {
                0 if dimensions > 0 => {
                    let (day, month, serial) = (row % 28 + 1, row / 28 % 12 + 1, 43852 + row);
                    format!(
                        r#"{{"qText":"{day}/{month}/2020","qNum":{serial},"qElemNumber":{row},"qState":"O"}}"#
                    )
                }
                _ if column < dimensions => {
                    let element = numbers.next(900);
                    format!(
                        r#"{{"qText":"Customer {element} & Söhne","qNum":"NaN","qElemNumber":{element},"qState":"O"}}"#
                    )
                }
                _ if column % 2 == 0 => {
                    let (whole, part) = (numbers.next(100_000), numbers.next(100));
                    format!(
                        r#"{{"qText":"{whole}.{part:02}","qNum":{whole}.{part:02},"qElemNumber":0,"qState":"L"}}"#
                    )
                }
                _ => {
                    let share = numbers.next(1 << 31);
                    let (percent, rest) = ((share * 100) >> 31, numbers.next(1_000_000));
                    format!(
                        r#"{{"qText":"{percent}%","qNum":0.{share:010}{rest:06},"qElemNumber":0,"qState":"L"}}"#
                    )
                }
            };
        }
        out.push(']');
        row += 1;
    }
    *out += &format!(
        r#"],"qTails":[],"qArea":{{"qLeft":0,"qTop":0,"qWidth":{},"qHeight":{row}}}}}]"#,
        dimensions + measures
    );
}

/// What an author's tool keeps in a chart besides its data.
const CHART: &str = r##","refLine":{"refLines":[]},"showTitles":true,"title":"Sales by region","subtitle":"Source: the warehouse, \"daily\" load","footnote":"Figures of the current month are not final \u2013 see the notes.","showDetails":false,"barGrouping":{"grouping":"grouped"},"orientation":"vertical","scrollbar":"miniChart","scrollStartPos":0,"gridLine":{"auto":false,"spacing":0},"dataPoint":{"showLabels":false,"showSegmentLabels":false,"showTotalLabels":true},"components":[{"key":"bar","style":{"width":0.9,"strokeColor":{"index":-1,"color":"#205891"},"strokeWidth":"none"}}],"color":{"auto":true,"mode":"primary","useBaseColors":"off","paletteColor":{"index":6},"useDimColVal":true,"persistent":true,"expressionIsColor":true,"expressionLabel":"","measureScheme":"sg","reverseScheme":false,"dimensionScheme":"12","autoMinMax":true,"measureMin":0,"measureMax":10},"legend":{"show":true,"dock":"top","showTitle":false},"dimensionAxis":{"continuousAuto":true,"show":"all","label":"auto","dock":"near","axisDisplayMode":"max","maxVisibleItems":10},"measureAxis":{"show":"all","dock":"near","spacing":1,"autoMinMax":true,"minMax":"min","min":0,"max":10},"visualization":"barchart","labelExpression":"SALES BY REGION","masterVersion":0.96}"##;

/// The same of a single figure.
const KPI: &str = r#","templateId":"29f47f57-40cc-48de-a0af-fa41b6b38607","labelExpression":"Sales","widgetMeta":{"libid":"3x3Grid","name":"KPI7"}}"#;
