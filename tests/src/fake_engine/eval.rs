//! Evaluation of parsed expressions over rows of the table.

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};

use super::expression::{Call, Expr, Op};
use super::table::{Column, Table, number_text};

/// The result of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Val {
    Null,
    Num(f64),
    Text(String),
}

impl Val {
    pub(crate) fn num(&self) -> Option<f64> {
        match self {
            Self::Num(num) => Some(*num),
            Self::Text(text) => text.trim().parse().ok().filter(|num: &f64| num.is_finite()),
            Self::Null => None,
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => "-".to_owned(),
            Self::Num(num) => number_text(*num),
            Self::Text(text) => text.clone(),
        }
    }
}

// The longest text that an expression makes, in bytes.
const MAX_TEXT: usize = 64 << 20;

/// How long an answer is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Until so many further answers have left on the socket.
    After(u32),
    /// Until it is cancelled or the socket ends.
    Forever,
}

/// What names and aggregations refer to.
pub(crate) struct Scope<'a> {
    pub(crate) table: &'a Table,
    /// The rows that plain aggregations see: one group, or all that are possible.
    pub(crate) rows: &'a [u32],
    /// The rows that `TOTAL` sees.
    pub(crate) possible: &'a [u32],
    pub(crate) variables: &'a dyn Fn(&str) -> Option<Val>,
    /// Inside an aggregation, where no other may stand.
    pub(crate) nested: bool,
    /// Set by `Slow(n)` and `Hang()`: how long the answer of this call is held back.
    pub(crate) hold: &'a Cell<Option<Hold>>,
}

impl Scope<'_> {
    /// Evaluates `expr`.
    ///
    /// # Errors
    ///
    /// A short text that names the unknown function.
    pub(crate) fn eval(&self, expr: &Expr) -> Result<Val, String> {
        Ok(match expr {
            Expr::Num(num) => Val::Num(*num),
            Expr::Text(text) => Val::Text(text.clone()),
            Expr::Name(name) => self.name(name),
            Expr::Negate(inner) => self.eval(inner)?.num().map_or(Val::Null, |num| Val::Num(-num)),
            Expr::Binary(op, left, right) => binary(*op, &self.eval(left)?, &self.eval(right)?),
            Expr::Call(call) => self.call(call)?,
        })
    }

    fn name(&self, name: &str) -> Val {
        (self.variables)(name).unwrap_or_else(|| match self.table.column(name) {
            Some(column) => only(column, self.rows),
            None => Val::Null,
        })
    }

    fn call(&self, call: &Call) -> Result<Val, String> {
        match call.name.as_str() {
            "sum" | "count" | "avg" | "min" | "max" | "only" | "concat" => self.aggregate(call),
            "if" => {
                let condition = self.eval(argument(call, 0)?)?.num().unwrap_or(0.0);
                let branch = if condition == 0.0 { 2 } else { 1 };
                call.args.get(branch).map_or(Ok(Val::Null), |expr| self.eval(expr))
            }
            "slow" => {
                let answers = self.eval(argument(call, 0)?)?.num().unwrap_or(1.0).clamp(0.0, 1000.0);
                self.hold.set(Some(Hold::After(answers as u32)));
                Ok(Val::Num(answers))
            }
            "hang" => {
                self.hold.set(Some(Hold::Forever));
                Ok(Val::Null)
            }
            "upper" => Ok(Val::Text(self.eval(argument(call, 0)?)?.text().to_uppercase())),
            "lower" => Ok(Val::Text(self.eval(argument(call, 0)?)?.text().to_lowercase())),
            "len" => Ok(Val::Num(self.eval(argument(call, 0)?)?.text().chars().count() as f64)),
            "null" => Ok(Val::Null),
            "rowno" => Ok(Val::Num(self.rows.len() as f64)),
            // Scripts that draw strings of a wanted length do so with this function.
            "repeat" => {
                let text = self.eval(argument(call, 0)?)?.text();
                let times = self.eval(argument(call, 1)?)?.num().unwrap_or(0.0).clamp(0.0, 1e6) as usize;
                if text.len().saturating_mul(times) > MAX_TEXT {
                    return Err("Error in expression: text too long".into());
                }
                Ok(Val::Text(text.repeat(times)))
            }
            other => Err(format!("Error in expression: {other} is not a function")),
        }
    }

    fn aggregate(&self, call: &Call) -> Result<Val, String> {
        if self.nested {
            return Err("Error in expression: nested aggregation not allowed".into());
        }
        let everything: Vec<u32>;
        let rows = if call.all_rows {
            everything = (0..u32::try_from(self.table.rows).unwrap_or(u32::MAX)).collect();
            &everything
        } else if call.total {
            self.possible
        } else {
            self.rows
        };
        let arg = argument(call, 0)?;
        let mut fold = Fold::default();
        // The plain field is by far the commonest argument and needs no evaluation by row.
        if let Expr::Name(name) = arg
            && (self.variables)(name).is_none()
        {
            let Some(column) = self.table.column(name) else { return Ok(fold.finish(&call.name, None)) };
            let mut seen = HashSet::new();
            for row in rows {
                let symbol = column.cells[*row as usize];
                if !call.distinct || seen.insert(symbol) {
                    let symbol = &column.symbols[symbol as usize];
                    fold.add(symbol.num, &symbol.text);
                }
            }
        } else {
            let mut seen = HashSet::new();
            for row in rows {
                let row = [*row];
                let scope = Scope { rows: &row, nested: true, ..*self };
                let value = scope.eval(arg)?;
                if value != Val::Null && (!call.distinct || seen.insert(value.text())) {
                    fold.add(value.num(), &value.text());
                }
            }
        }
        let separator = match call.args.get(1) {
            Some(expr) => Some(self.eval(expr)?.text()),
            None => None,
        };
        Ok(fold.finish(&call.name, separator.as_deref()))
    }
}

/// Returns the one value that all `rows` share, else null.
fn only(column: &Column, rows: &[u32]) -> Val {
    let mut cells = rows.iter().map(|row| column.cells[*row as usize]);
    let Some(first) = cells.next() else { return Val::Null };
    if cells.any(|cell| cell != first) {
        return Val::Null;
    }
    let symbol = &column.symbols[first as usize];
    symbol.num.map_or_else(|| Val::Text(symbol.text.clone()), Val::Num)
}

fn argument(call: &Call, at: usize) -> Result<&Expr, String> {
    call.args.get(at).ok_or_else(|| format!("Error in expression: {} takes more parameters", call.name))
}

fn binary(op: Op, left: &Val, right: &Val) -> Val {
    if op == Op::Concat {
        let text = |value: &Val| if *value == Val::Null { String::new() } else { value.text() };
        let (left, right) = (text(left), text(right));
        // Chains of long texts must not fill the memory.
        return if left.len() + right.len() > MAX_TEXT { Val::Null } else { Val::Text(left + &right) };
    }
    let truth = |holds: bool| Val::Num(if holds { -1.0 } else { 0.0 });
    let (Some(a), Some(b)) = (left.num(), right.num()) else {
        return match op {
            Op::Equal => truth(left.text() == right.text()),
            Op::NotEqual => truth(left.text() != right.text()),
            _ => Val::Null,
        };
    };
    let result = match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Less => return truth(a < b),
        Op::LessEq => return truth(a <= b),
        Op::Greater => return truth(a > b),
        Op::GreaterEq => return truth(a >= b),
        Op::Equal => return truth(a == b),
        Op::NotEqual => return truth(a != b),
        Op::Concat => return Val::Null,
    };
    if result.is_finite() { Val::Num(result) } else { Val::Null }
}

/// The running state of an aggregation.
#[derive(Default)]
struct Fold {
    count: u32,
    numbers: u32,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    texts: BTreeSet<String>,
}

impl Fold {
    fn add(&mut self, num: Option<f64>, text: &str) {
        self.count += 1;
        if !self.texts.contains(text) {
            self.texts.insert(text.to_owned());
        }
        if let Some(num) = num {
            self.numbers += 1;
            self.sum += num;
            self.min = Some(self.min.map_or(num, |min| min.min(num)));
            self.max = Some(self.max.map_or(num, |max| max.max(num)));
        }
    }

    fn finish(self, function: &str, separator: Option<&str>) -> Val {
        let or_null = |num: Option<f64>| num.map_or(Val::Null, Val::Num);
        match function {
            "sum" => Val::Num(self.sum),
            "count" => Val::Num(f64::from(self.count)),
            "avg" if self.numbers > 0 => Val::Num(self.sum / f64::from(self.numbers)),
            "min" => or_null(self.min),
            "max" => or_null(self.max),
            "only" if self.texts.len() == 1 => match self.min {
                Some(num) => Val::Num(num),
                None => self.texts.into_iter().next().map_or(Val::Null, Val::Text),
            },
            "concat" => Val::Text(self.texts.into_iter().collect::<Vec<_>>().join(separator.unwrap_or(""))),
            _ => Val::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::parse;
    use super::super::table::sales;
    use super::*;

    fn eval(text: &str) -> Result<Val, String> {
        let table = sales(12);
        let rows: Vec<u32> = (0..12).collect();
        let hold = Cell::new(None);
        let variables = |name: &str| (name == "vX").then_some(Val::Num(7.0));
        let scope = Scope {
            table: &table,
            rows: &rows[..6],
            possible: &rows,
            variables: &variables,
            nested: false,
            hold: &hold,
        };
        scope.eval(&parse(text)?)
    }

    #[test]
    fn arithmetic_and_text() {
        assert_eq!(eval("=1+2*3-4/2"), Ok(Val::Num(5.0)));
        assert_eq!(eval("'a' & 'b' & 1"), Ok(Val::Text("ab1".into())));
        assert_eq!(eval("1/0"), Ok(Val::Null));
        assert_eq!(eval("vX*2"), Ok(Val::Num(14.0)));
        assert_eq!(eval("If(2>1,'y','n')"), Ok(Val::Text("y".into())));
    }

    #[test]
    fn aggregations_see_the_group_or_the_total() {
        let table = sales(12);
        let sum = |rows: usize| (0..rows).map(|row| ((row * 37) % 97 + 3) as f64 * 2.25).sum::<f64>();
        assert_eq!(eval("Sum(Sales)"), Ok(Val::Num(sum(6))));
        assert_eq!(eval("Sum(TOTAL Sales)"), Ok(Val::Num(sum(12))));
        assert_eq!(eval("Sum({1} Sales)"), Ok(Val::Num(sum(12))));
        assert_eq!(eval("Count(Region)"), Ok(Val::Num(6.0)));
        assert_eq!(eval("Count(DISTINCT Year)"), Ok(Val::Num(3.0)));
        assert_eq!(eval("Sum(Sales*2)"), Ok(Val::Num(sum(6) * 2.0)));
        assert_eq!(table.rows, 12);
    }

    #[test]
    fn an_unknown_function_is_an_error() {
        assert!(eval("Frobnicate(1)").is_err());
        assert!(eval("Sum(Sum({1} Sales))").is_err());
        assert_eq!(eval("Sum(NoSuchField)"), Ok(Val::Num(0.0)));
    }
}
