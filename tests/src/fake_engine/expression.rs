//! A small grammar of expressions: arithmetic, comparison, text, fields and a few functions.

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Num(f64),
    Text(String),
    /// A bare or bracketed name: a variable or a field.
    Name(String),
    Negate(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Call(Call),
}

/// A function call with the modifiers of an aggregation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: Vec<Expr>,
    pub(crate) distinct: bool,
    pub(crate) total: bool,
    /// `{1}`: all rows, whatever is selected.
    pub(crate) all_rows: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Concat,
    Less,
    LessEq,
    Greater,
    GreaterEq,
    Equal,
    NotEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Num(f64),
    Text(String),
    Name(String),
    Symbol(char),
    Pair(&'static str),
}

// Deep nesting is refused rather than followed: the parser recurses, and its input comes from the network.
const MAX_DEPTH: usize = 64;
// Evaluation and drop walk the tree recursively, and a long chain makes a deep tree.
const MAX_NODES: usize = 256;

/// Parses an expression; a leading `=` is ignored.
///
/// # Errors
///
/// A short text that says where the grammar ends.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let text = text.trim();
    let text = text.strip_prefix('=').unwrap_or(text);
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err("Error in expression: nothing to evaluate".into());
    }
    let mut parser = Parser { tokens, at: 0, depth: 0, nodes: 0 };
    let expr = parser.comparison()?;
    if parser.at < parser.tokens.len() {
        return Err("Error in expression: garbage after expression".into());
    }
    Ok(expr)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '0'..='9' | '.' => {
                let length = number_length(rest);
                let num = rest[..length].parse().map_err(|_| "Error in expression: bad number".to_owned())?;
                out.push(Token::Num(num));
                length
            }
            '\'' => {
                let (body, length) = quoted(&rest[1..], '\'')?;
                out.push(Token::Text(body));
                length + 1
            }
            '"' => {
                let (body, length) = quoted(&rest[1..], '"')?;
                out.push(Token::Name(body));
                length + 1
            }
            '[' => {
                let (body, length) = quoted(&rest[1..], ']')?;
                out.push(Token::Name(body));
                length + 1
            }
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let length = rest
                    .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$')))
                    .unwrap_or(rest.len());
                out.push(Token::Name(rest[..length].to_owned()));
                length
            }
            '<' | '>' => {
                let pair = ["<=", ">=", "<>"].into_iter().find(|pair| rest.starts_with(pair));
                out.push(pair.map_or(Token::Symbol(first), Token::Pair));
                pair.map_or(1, str::len)
            }
            '+' | '-' | '*' | '/' | '&' | '(' | ')' | ',' | '=' | '{' | '}' => {
                out.push(Token::Symbol(first));
                1
            }
            other => return Err(format!("Error in expression: unexpected '{other}'")),
        };
        rest = &rest[taken..];
    }
    Ok(out)
}

fn number_length(text: &str) -> usize {
    let digits = |text: &str| text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let length = digits(text);
    // An exponent belongs to the number only if digits follow it.
    if let Some(rest) = text[length..].strip_prefix(['e', 'E']) {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let power = rest[sign..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - sign);
        if power > 0 {
            return length + 1 + sign + power;
        }
    }
    length
}

/// Reads up to the closing quote, which is doubled inside the text; returns the text and the bytes read.
fn quoted(text: &str, close: char) -> Result<(String, usize), String> {
    let mut body = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != close {
            body.push(c);
        } else if chars.next_if(|(_, next)| *next == close).is_some() {
            body.push(close);
        } else {
            return Ok((body, at + close.len_utf8()));
        }
    }
    Err(format!("Error in expression: {close} expected"))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    nodes: usize,
}

impl Parser {
    fn take(&mut self, symbol: char) -> bool {
        let hit = self.tokens.get(self.at) == Some(&Token::Symbol(symbol));
        self.at += usize::from(hit);
        hit
    }

    fn take_word(&mut self, word: &str) -> bool {
        // `total` and `distinct` are words only before an argument, otherwise a field may have that name.
        let hit = matches!(self.tokens.get(self.at), Some(Token::Name(name)) if name.eq_ignore_ascii_case(word))
            && !matches!(self.tokens.get(self.at + 1), None | Some(Token::Symbol(')' | ',')));
        self.at += usize::from(hit);
        hit
    }

    fn operator(&mut self, table: &[(Token, Op)]) -> Option<Op> {
        let token = self.tokens.get(self.at)?;
        let op = table.iter().find(|(candidate, _)| candidate == token).map(|(_, op)| *op)?;
        self.at += 1;
        Some(op)
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let table = [
            (Token::Symbol('<'), Op::Less),
            (Token::Pair("<="), Op::LessEq),
            (Token::Symbol('>'), Op::Greater),
            (Token::Pair(">="), Op::GreaterEq),
            (Token::Symbol('='), Op::Equal),
            (Token::Pair("<>"), Op::NotEqual),
        ];
        self.level(&table, Self::sum)
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let table =
            [(Token::Symbol('+'), Op::Add), (Token::Symbol('-'), Op::Sub), (Token::Symbol('&'), Op::Concat)];
        self.level(&table, Self::product)
    }

    fn product(&mut self) -> Result<Expr, String> {
        let table = [(Token::Symbol('*'), Op::Mul), (Token::Symbol('/'), Op::Div)];
        self.level(&table, Self::factor)
    }

    fn level(
        &mut self,
        table: &[(Token, Op)],
        next: fn(&mut Self) -> Result<Expr, String>,
    ) -> Result<Expr, String> {
        let mut left = next(self)?;
        while let Some(op) = self.operator(table) {
            self.nodes += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(next(self)?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        self.nodes += 1;
        if self.depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err("Error in expression: too long or nested too deep".into());
        }
        let expr = self.factor_inner();
        self.depth -= 1;
        expr
    }

    fn factor_inner(&mut self) -> Result<Expr, String> {
        if self.take('-') {
            return Ok(Expr::Negate(Box::new(self.factor()?)));
        }
        if self.take('+') {
            return self.factor();
        }
        if self.take('(') {
            let inner = self.comparison()?;
            return if self.take(')') { Ok(inner) } else { Err("Error in expression: ')' expected".into()) };
        }
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Num(num)) => Ok(Expr::Num(num)),
            Some(Token::Text(text)) => Ok(Expr::Text(text)),
            Some(Token::Name(name)) if self.take('(') => self.call(name),
            Some(Token::Name(name)) => Ok(Expr::Name(name)),
            _ => Err("Error in expression: operand expected".into()),
        }
    }

    fn call(&mut self, name: String) -> Result<Expr, String> {
        let mut call = Call {
            name: name.to_ascii_lowercase(),
            args: Vec::new(),
            distinct: false,
            total: false,
            all_rows: false,
        };
        if self.take('{') {
            match self.tokens.get(self.at) {
                Some(Token::Num(1.0)) => call.all_rows = true,
                Some(Token::Name(state)) if state == "$" => {}
                _ => {
                    return Err(
                        "Error in expression: set expressions other than {1} and {$} are unknown".into()
                    );
                }
            }
            self.at += 1;
            if !self.take('}') {
                return Err("Error in expression: '}' expected".into());
            }
        }
        call.total = self.take_word("total");
        call.distinct = self.take_word("distinct");
        if !self.take(')') {
            loop {
                call.args.push(self.comparison()?);
                if self.take(')') {
                    break;
                }
                if !self.take(',') {
                    return Err("Error in expression: ')' expected".into());
                }
            }
        }
        Ok(Expr::Call(call))
    }
}

impl Expr {
    /// Calls `visit` with each name that is not a function.
    pub(crate) fn names(&self, visit: &mut impl FnMut(&str)) {
        match self {
            Self::Num(_) | Self::Text(_) => {}
            Self::Name(name) => visit(name),
            Self::Negate(inner) => inner.names(visit),
            Self::Binary(_, left, right) => {
                left.names(visit);
                right.names(visit);
            }
            Self::Call(call) => call.args.iter().for_each(|arg| arg.names(visit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_and_prefix() {
        let expr = parse("=1+2*3").unwrap();
        assert!(matches!(expr, Expr::Binary(Op::Add, _, _)));
        assert!(matches!(parse("Sum(Sales)/Sum(TOTAL Sales)").unwrap(), Expr::Binary(Op::Div, _, _)));
    }

    #[test]
    fn modifiers_and_quotes() {
        let Expr::Call(call) = parse("Count({1} DISTINCT [Product])").unwrap() else { panic!("not a call") };
        assert!(call.distinct && call.all_rows && !call.total);
        assert_eq!(call.args, vec![Expr::Name("Product".into())]);
        assert_eq!(parse("'it''s'").unwrap(), Expr::Text("it's".into()));
        assert_eq!(parse("1e+3").unwrap(), Expr::Num(1000.0));
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        for text in ["", "=", "1+", "Sum(", "Sum(x", "[open", "'open", "#", "1 2", "Sum({2} x)", "1.2.3"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"-".repeat(100_000)).is_err());
        assert!(parse(&format!("1{}", "+1".repeat(100_000))).is_err());
    }
}
