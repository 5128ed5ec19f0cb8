//! Columns with symbol tables, and the deterministic rows of the built-in apps.

/// One distinct value of a field. Its place in [`Column::symbols`] is its element number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symbol {
    pub(crate) text: String,
    pub(crate) num: Option<f64>,
}

/// A field: its distinct values in load order, and which of them each row holds.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) cells: Vec<u32>,
}

impl Column {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), symbols: Vec::new(), cells: Vec::new() }
    }

    fn push(&mut self, text: String, num: Option<f64>) {
        let known = self.symbols.iter().position(|symbol| symbol.text == text);
        let at = known.unwrap_or_else(|| {
            self.symbols.push(Symbol { text, num });
            self.symbols.len() - 1
        });
        self.cells.push(u32::try_from(at).unwrap_or(u32::MAX));
    }

    /// Puts another number into a row.
    fn set(&mut self, row: usize, text: String, num: f64) {
        let cells = self.cells.len();
        self.push(text, Some(num));
        if let (Some(cell), Some(slot)) = (self.cells.pop(), self.cells.get_mut(row)) {
            *slot = cell;
        }
        debug_assert_eq!(cells, self.cells.len());
    }

    /// Tells whether every value is a number.
    pub(crate) fn is_numeric(&self) -> bool {
        !self.symbols.is_empty() && self.symbols.iter().all(|symbol| symbol.num.is_some())
    }

    /// Returns the tags that the engine derives from the data.
    pub(crate) fn tags(&self) -> Vec<&'static str> {
        if !self.is_numeric() {
            return vec!["$ascii", "$text"];
        }
        let whole = self.symbols.iter().all(|symbol| symbol.num.is_some_and(|num| num.fract() == 0.0));
        if whole { vec!["$numeric", "$integer"] } else { vec!["$numeric"] }
    }
}

/// The single table of an app.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: usize,
}

impl Table {
    /// Puts another number into one row of a field.
    pub(crate) fn set_number(&mut self, field: &str, row: usize, num: f64) {
        if let Some(at) = self.column_index(field) {
            self.columns[at].set(row, number_text(num), num);
        }
    }

    /// Finds a field by name; `[brackets]` around the name are allowed, as in expressions.
    pub(crate) fn column_index(&self, name: &str) -> Option<usize> {
        let name = name.trim();
        let name = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        self.columns.iter().position(|column| column.name == name)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.column_index(name).map(|at| &self.columns[at])
    }
}

const REGIONS: [&str; 4] = ["North", "South", "East", "West"];
// Texts that break naive escaping: an umlaut, double quotes, a character beyond the first plane, a backslash.
const PRODUCTS: [&str; 6] = ["Apples", "Käse", "Tea \"green\"", "Żurek", "Sushi 🍣", "Back\\slash"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns the table of `Sales.qvf`.
///
/// Amounts are multiples of a quarter, so sums are exact and do not depend on the order of addition.
pub(crate) fn sales(rows: usize) -> Table {
    let mut columns = ["Region", "Product", "Month", "Year", "Sales", "Quantity"]
        .map(Column::new)
        .into_iter()
        .collect::<Vec<_>>();
    for row in 0..rows {
        let region = REGIONS[(row * 7 + row / 5) % REGIONS.len()];
        // South sells no sushi and East no cheese, so selections exclude something.
        let product = match (PRODUCTS[(row * 5 + row / 7) % PRODUCTS.len()], region) {
            ("Sushi 🍣", "South") | ("Käse", "East") => PRODUCTS[0],
            (product, _) => product,
        };
        let year = 2023 + row % 3;
        let sales = ((row * 37) % 97 + 3) as f64 * 2.25;
        let quantity = (row * 11) % 23 + 1;
        columns[0].push(region.to_owned(), None);
        columns[1].push(product.to_owned(), None);
        columns[2].push(MONTHS[row % 12].to_owned(), None);
        columns[3].push(year.to_string(), Some(year as f64));
        columns[4].push(number_text(sales), Some(sales));
        columns[5].push(quantity.to_string(), Some(quantity as f64));
    }
    Table { name: "Sales".into(), columns, rows }
}

/// Writes a number as the engine shows one without a number format.
pub(crate) fn number_text(num: f64) -> String {
    if num == 0.0 { "0".to_owned() } else { format!("{num}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_each_time_and_symbols_are_in_load_order() {
        let (one, two) = (sales(200), sales(200));
        assert_eq!(one.rows, 200);
        for (a, b) in one.columns.iter().zip(&two.columns) {
            assert_eq!(a.symbols, b.symbols);
            assert_eq!(a.cells, b.cells);
            assert_eq!(a.cells[0], 0);
        }
        assert_eq!(one.columns[0].symbols.len(), 4);
        assert_eq!(one.columns[1].symbols.len(), 6);
        assert!(one.columns[3].is_numeric());
        assert!(!one.columns[2].is_numeric());
    }

    #[test]
    fn a_field_is_found_with_and_without_brackets() {
        let table = sales(3);
        assert_eq!(table.column_index("[Region]"), Some(0));
        assert_eq!(table.column_index("Region"), Some(0));
        assert_eq!(table.column_index("region"), None);
    }

    #[test]
    fn numbers_are_written_short() {
        assert_eq!(number_text(12.0), "12");
        assert_eq!(number_text(-0.0), "0");
        assert_eq!(number_text(2.25), "2.25");
    }
}
