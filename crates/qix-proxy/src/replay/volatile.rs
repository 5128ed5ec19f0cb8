//! Values that differ from run to run: what a user says they are, and what looks generated.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    fmt,
    str::FromStr,
};

use qix_protocol::{Tree, creates, schema};

/// What stands in the place of a value that does not count. No client says so.
const ANY: &str = "\u{2026}";

/// A value in parameters that does not count when requests are compared, such as `/qInfo/qId` or `CreateSessionObject:/qInfo/qId`.
///
/// It is a JSON pointer into each parameter, whether that is given by position or by name; it may begin with the parameter's
/// name or, counted from 0, its position. `*` is any member or element.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ignore {
    method: Option<Box<str>>,
    steps: Vec<Box<str>>,
}

/// A rule that is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no place: write /qInfo/qId, /qProp/qInfo/qId or CreateSessionObject:/qInfo/qId")]
pub struct IgnoreError(String);

impl FromStr for Ignore {
    type Err = IgnoreError;

    fn from_str(text: &str) -> Result<Self, IgnoreError> {
        let wrong = || IgnoreError(text.to_owned());
        let (method, pointer) = match text.split_once(":/") {
            Some((method, _)) => (Some(method), &text[method.len() + 1..]),
            None => (None, text),
        };
        let steps = pointer.strip_prefix('/').filter(|steps| !steps.is_empty()).ok_or_else(wrong)?;
        let is_name =
            |method: &str| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if method.is_some_and(|method| !is_name(method)) {
            return Err(wrong());
        }
        let unescaped = |step: &str| step.replace("~1", "/").replace("~0", "~").into();
        Ok(Self { method: method.map(Into::into), steps: steps.split('/').map(unescaped).collect() })
    }
}

impl Ignore {
    /// Returns whether the rule means this place in a result of the method, whose first step is the out member; a rule may leave that
    /// step out.
    pub(crate) fn covers<S: AsRef<str>>(&self, method: &str, place: &[S]) -> bool {
        let fits = |place: &[S]| {
            let mut steps = self.steps.iter().map(|step| &**step).zip(place);
            self.steps.len() == place.len() && steps.all(|(step, name)| step == "*" || step == name.as_ref())
        };
        self.method.as_deref().is_none_or(|only| only == method)
            && (fits(place) || place.split_first().is_some_and(|(_, rest)| fits(rest)))
    }
}

impl fmt::Display for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method}:")?;
        }
        self.steps.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

/// Returns canonical parameters without what the rules say does not count.
pub(super) fn ignoring<'t>(rules: &[Ignore], class: &str, method: &str, canonical: &'t str) -> Cow<'t, str> {
    let mut rules =
        rules.iter().filter(|rule| rule.method.as_deref().is_none_or(|only| only == method)).peekable();
    if rules.peek().is_none() {
        return Cow::Borrowed(canonical);
    }
    let Ok(mut params) = Tree::parse(canonical.as_bytes()) else { return Cow::Borrowed(canonical) };
    let known = schema::method(class, method).map_or(&[][..], |info| info.params);
    for rule in rules {
        let names = names(&params);
        for (at, name) in (0..).zip(&names) {
            let called = |step: &str| match name {
                Some(name) => step == &**name,
                None => step.parse() == Ok(at) || known.get(at).is_some_and(|param| param.name == step),
            };
            let Some(param) = child(&mut params, at, name.as_deref()) else { continue };
            replace(param, &rule.steps);
            if let Some((first, rest)) = rule.steps.split_first()
                && (called(first) || &**first == "*")
            {
                replace(param, rest);
            }
        }
    }
    Cow::Owned(params.canonical())
}

fn replace(value: &mut Tree, steps: &[Box<str>]) {
    let Some((step, rest)) = steps.split_first() else {
        *value = Tree::string(ANY);
        return;
    };
    for (at, name) in (0..).zip(names(value)) {
        let fits = match &name {
            _ if &**step == "*" => true,
            Some(name) => **name == **step,
            None => step.parse() == Ok(at),
        };
        if fits && let Some(child) = child(value, at, name.as_deref()) {
            replace(child, rest);
        }
    }
}

/// Returns a name for each member, and none for each element.
fn names(value: &Tree) -> Vec<Option<Box<str>>> {
    let members = value.members().map(|(name, _)| Some((&*name).into()));
    members.chain(value.elements().iter().map(|_| None)).collect()
}

fn child<'v>(value: &'v mut Tree, at: usize, name: Option<&str>) -> Option<&'v mut Tree> {
    match name {
        Some(name) => value.member_mut(name),
        None => value.element_mut(at),
    }
}

/// Returns canonical parameters with `…` instead of values that a program has made up, if there are any.
///
/// These are UUIDs, times, the ids of session apps, and ids that a call gives to what it creates. A parameter that is nothing but
/// such an id names something that is there, and counts, as do ids of the library and all that is selected or searched for.
pub(crate) fn general(method: &str, canonical: &str) -> Option<String> {
    if names_data(method) || !may_be_generated(method, canonical.as_bytes()) {
        return None;
    }
    let mut params = Tree::parse(canonical.as_bytes()).ok()?;
    let mut found = false;
    walk(&mut params, method, 0, ["", ""], &mut |value| {
        *value = Tree::string(ANY);
        found = true;
    });
    found.then(|| params.to_string())
}

/// Calls `found` with each generated value.
fn walk(value: &mut Tree, method: &str, depth: usize, path: [&str; 2], found: &mut impl FnMut(&mut Tree)) {
    if let Some(text) = value.scalar() {
        if is_generated(text, method, depth, path) {
            found(value);
        }
        return;
    }
    for (at, name) in (0..).zip(names(value)) {
        let step = name.as_deref().unwrap_or_default();
        if let Some(child) = child(value, at, name.as_deref()) {
            walk(child, method, depth + 1, [path[1], step], found);
        }
    }
}

fn is_generated(scalar: &str, method: &str, depth: usize, path: [&str; 2]) -> bool {
    let Some(text) = scalar.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        // Milliseconds of the years 2001 to 2100.
        return scalar.len() == 13
            && scalar
                .parse()
                .is_ok_and(|number: u64| (1_000_000_000_000..4_102_444_800_000).contains(&number));
    };
    let given = creates(method) && path == ["qInfo", "qId"] && !text.is_empty();
    let refers = matches!(path[1], "qLibraryId" | "qExtendsId" | "qBookmarkId");
    given || is_time(text) || text.starts_with("SessionApp_") || is_uuid(text) && depth > 1 && !refers
}

/// Whether the method's parameters say which values are meant.
fn names_data(method: &str) -> bool {
    method.contains("Select") || method.contains("Search") || method.starts_with("Evaluate")
}

/// 32 hexadecimal digits, with or without dashes and braces.
pub(crate) fn is_uuid(text: &str) -> bool {
    let inside = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text).as_bytes();
    let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    match inside.len() {
        // Numbers of 32 digits are no UUIDs of any version.
        32 => hex(inside) && inside.iter().any(u8::is_ascii_alphabetic),
        36 => {
            inside.split(|byte| *byte == b'-').map(<[u8]>::len).eq([8, 4, 4, 4, 12])
                && inside.split(|byte| *byte == b'-').all(hex)
        }
        _ => false,
    }
}

/// A date and a time, as ISO 8601 writes them.
fn is_time(text: &str) -> bool {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    text.len() >= 16
        && text.bytes().map(shape).zip(*b"0000-00-00T00:00").all(|(found, expected)| found == expected)
}

/// Whether a look at the bytes does not rule generated values out.
fn may_be_generated(method: &str, canonical: &[u8]) -> bool {
    has_digits(canonical)
        || memchr::memmem::find(canonical, b"SessionApp_").is_some()
        || memchr::memmem::find(canonical, b"T").is_some()
            && canonical
                .windows(11)
                .any(|window| window[4] == b'-' && window[7] == b'-' && window[10] == b'T')
        || creates(method) && memchr::memmem::find(canonical, b"\"qId\"").is_some()
}

/// Whether eight hexadecimal digits stand in a row somewhere. Of as many, one is in each eighth place.
fn has_digits(text: &[u8]) -> bool {
    const ROW: usize = 8;
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    (ROW - 1..text.len()).step_by(ROW).filter(|at| text[*at].is_ascii_hexdigit()).any(|at| {
        let before = text[..at].iter().rev().take_while(is_digit).count();
        before + text[at..].iter().take(ROW).take_while(is_digit).count() >= ROW
    })
}

/// What a live client says for what the recorded one said: texts that both have made up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    recorded: HashMap<Box<str>, Box<str>>,
    live: HashMap<Box<str>, Box<str>>,
    /// What the live client has made up, oldest first.
    order: VecDeque<Box<str>>,
    /// How long the longest text is, or was.
    longest: usize,
}

impl Pairs {
    /// More than any session has in use; beyond, the oldest are forgotten.
    const MOST: usize = 16 << 10;

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Learns what stands for what from two calls that are equal but for generated values, in canonical form.
    pub(super) fn learn(&mut self, method: &str, live: &str, recorded: &str) {
        let values = |canonical: &str| {
            let mut values = Vec::new();
            if let Ok(mut params) = Tree::parse(canonical.as_bytes()) {
                walk(&mut params, method, 0, ["", ""], &mut |value| values.push(value.clone()));
            }
            values
        };
        for (live, recorded) in values(live).iter().zip(values(recorded)) {
            let (Some(live), Some(recorded)) = (inside(live), inside(&recorded)) else { continue };
            if live != recorded {
                self.add(live, recorded);
            }
        }
    }

    /// Returns what the live client says for a recorded text.
    pub(crate) fn live(&self, recorded: &str) -> Option<&str> {
        self.live.get(recorded).map(|live| &**live)
    }

    /// Returns the recorded text for which the live client says this.
    pub(crate) fn recorded(&self, live: &str) -> Option<&str> {
        self.recorded.get(live).map(|recorded| &**recorded)
    }

    /// Notes that one stands for the other; both as they are written between quotes.
    pub(crate) fn add(&mut self, live: &str, recorded: &str) {
        self.longest = self.longest.max(live.len()).max(recorded.len());
        if self.recorded.insert(live.into(), recorded.into()).is_none() {
            self.order.push_back(live.into());
        }
        self.live.insert(recorded.into(), live.into());
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
            && let Some(recorded) = self.recorded.remove(&oldest)
            && self.live.get(&recorded) == Some(&oldest)
        {
            self.live.remove(&recorded);
        }
    }

    /// Returns a text of the live client with what the recorded one said, if that differs.
    pub(crate) fn as_recorded(&self, text: &[u8]) -> Option<Vec<u8>> {
        replaced(text, &self.recorded, self.longest)
    }

    /// Returns a recorded text with what the live client says, if that differs.
    pub(crate) fn as_live(&self, text: &[u8]) -> Option<Vec<u8>> {
        replaced(text, &self.live, self.longest)
    }
}

/// What stands between the quotes of a string, as it is written.
fn inside(value: &Tree) -> Option<&str> {
    value.scalar()?.strip_prefix('"')?.strip_suffix('"')
}

/// Replaces whole JSON strings, but for texts of the data: they are what they are.
fn replaced(text: &[u8], pairs: &HashMap<Box<str>, Box<str>>, longest: usize) -> Option<Vec<u8>> {
    if pairs.is_empty() {
        return None;
    }
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    // Behind the latest string, if that may be the name of a member with a text of the data.
    let mut named = None;
    while let Some(quote) = memchr::memchr(b'"', &text[at..]) {
        let start = at + quote + 1;
        let mut end = start;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &text[end..]) {
            end += found;
            if text[end] == b'"' {
                break;
            }
            end = (end + 2).min(text.len());
        }
        let string = &text[start..end.min(text.len())];
        let is_data = named.is_some_and(|from| text[from..start - 1].trim_ascii() == b":");
        named = (string == b"qText").then_some((end + 1).min(text.len()));
        if string.len() <= longest
            && !is_data
            && let Ok(string) = str::from_utf8(string)
            && let Some(other) = pairs.get(string)
        {
            let out = out.get_or_insert_default();
            out.extend_from_slice(&text[copied..start]);
            out.extend_from_slice(other.as_bytes());
            copied = end;
        }
        at = (end + 1).min(text.len());
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(&text[copied..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignoring_one(rule: &str, class: &str, method: &str, canonical: &str) -> String {
        ignoring(&[rule.parse().unwrap()], class, method, canonical).into_owned()
    }

    #[test]
    fn rules_are_pointers_into_parameters_by_position_by_name_and_by_method() {
        let params = r#"[{"qInfo":{"qId":"x","qType":"t"}}]"#;
        let without = r#"[{"qInfo":{"qId":"…","qType":"t"}}]"#;
        for rule in [
            "/qInfo/qId",
            "/qProp/qInfo/qId",
            "/0/qInfo/qId",
            "/*/*/qId",
            "/*/qId",
            "CreateSessionObject:/qInfo/qId",
        ] {
            assert_eq!(ignoring_one(rule, "Doc", "CreateSessionObject", params), without, "{rule}");
        }
        for rule in ["/qId", "/1/qInfo/qId", "GetObject:/qInfo/qId", "/qInfo/qId/x"] {
            assert_eq!(ignoring_one(rule, "Doc", "CreateSessionObject", params), params, "{rule}");
        }
        let named = r#"{"qX":{"a":[1,{"b":2}]}}"#;
        assert_eq!(ignoring_one("/a/1/b", "", "M", named), r#"{"qX":{"a":[1,{"b":"…"}]}}"#);
        assert_eq!(ignoring_one("/qX/a/1/b", "", "M", named), r#"{"qX":{"a":[1,{"b":"…"}]}}"#);
        assert_eq!(ignoring_one("/qId", "Doc", "GetObject", r#"["a"]"#), r#"["…"]"#);
    }

    #[test]
    fn rule_that_is_none_is_refused_with_an_example() {
        for text in ["", "/", "qInfo/qId", ":/a", "Get Object:/a"] {
            let error = text.parse::<Ignore>().unwrap_err().to_string();
            assert!(error.contains("CreateSessionObject:/qInfo/qId"), "{error}");
        }
        let rule: Ignore = "M:/a~1b/~0".parse().unwrap();
        assert_eq!(rule.to_string(), "M:/a~1b/~0");
    }

    #[test]
    fn generated_values_are_known_by_their_looks() {
        for value in [
            r#""3f2504e0-4f89-41d3-9a0c-0305e82c3301""#,
            r#""{3F2504E0-4F89-41D3-9A0C-0305E82C3301}""#,
            r#""3f2504e04f8941d39a0c0305e82c3301""#,
            r#""2026-01-02T03:04:05.678Z""#,
            r#""SessionApp_12""#,
            "1767323045678",
        ] {
            let text = format!(r#"[{{"a":{value}}}]"#);
            assert_eq!(general("SetProperties", &text).as_deref(), Some(r#"[{"a":"…"}]"#), "{value}");
        }
        for value in [
            r#""LB01""#,
            r#""3f2504e0-4f89-41d3-9a0c""#,
            "12345678",
            "17673230456789",
            r#""2026-01-02""#,
            r#""00000000000000000000000000000000""#,
        ] {
            assert_eq!(general("SetProperties", &format!(r#"[{{"a":{value}}}]"#)), None, "{value}");
        }
    }

    #[test]
    fn eight_digits_in_a_row_are_found_wherever_they_stand() {
        for before in 0..20 {
            let text = format!("{}x0123cdeF,", "1.".repeat(before));
            assert!(has_digits(text.as_bytes()), "{text}");
            assert!(!has_digits(&text.as_bytes()[..text.len() - 2]), "{text}");
        }
        assert!(!has_digits(b""));
    }

    #[test]
    fn id_alone_names_something_that_is_there_and_counts() {
        let one = r#"["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]"#;
        assert_eq!(general("GetObject", one), None);
        assert_eq!(
            general("CreateSessionObject", r#"[{"qInfo":{"qId":"a"}}]"#).as_deref(),
            Some(r#"[{"qInfo":{"qId":"…"}}]"#)
        );
        assert_eq!(general("SetProperties", r#"[{"qInfo":{"qId":"a"}}]"#), None);
    }

    #[test]
    fn whole_strings_are_exchanged_and_nothing_else() {
        let mut pairs = Pairs::default();
        let call = |id: &str| format!(r#"[{{"qInfo":{{"qId":"{id}"}}}}]"#);
        pairs.learn("CreateSessionObject", &call("live"), &call("rec"));
        let text = br#"{"live":"live","b":"live ","c":"\"live","d":["live"]}"#;
        assert_eq!(
            String::from_utf8(pairs.as_recorded(text).unwrap()).unwrap(),
            r#"{"rec":"rec","b":"live ","c":"\"live","d":["rec"]}"#
        );
        assert_eq!(pairs.as_live(br#"["rec"]"#).unwrap(), br#"["live"]"#);
        assert_eq!(pairs.as_live(br#"["other"]"#), None);
    }

    #[test]
    fn ids_that_a_client_makes_up_for_days_are_forgotten_in_time() {
        let mut pairs = Pairs::default();
        let call = |id: &str| format!(r#"[{{"qInfo":{{"qId":"{id}"}}}}]"#);
        for number in 0..Pairs::MOST + 100 {
            pairs.learn("CreateSessionObject", &call(&format!("live-{number}")), &call("rec"));
        }
        assert!(pairs.recorded.len() <= Pairs::MOST, "{}", pairs.recorded.len());
        let last = format!(r#"["live-{}"]"#, Pairs::MOST + 99);
        assert_eq!(pairs.as_recorded(last.as_bytes()).unwrap(), br#"["rec"]"#);
        assert_eq!(pairs.as_live(br#"["rec"]"#).unwrap(), last.as_bytes());
    }

    #[test]
    fn data_that_looks_like_a_made_up_id_is_not_exchanged() {
        let mut pairs = Pairs::default();
        let call = |id: &str| format!(r#"[{{"qInfo":{{"qId":"{id}"}}}}]"#);
        pairs.learn("CreateSessionObject", &call("live"), &call("Sales"));
        let page = br#"{"qId":"Sales","cells":[{"qText" : "Sales","qNum":1},{"qText":"x","a":"Sales"}]}"#;
        assert_eq!(
            String::from_utf8(pairs.as_live(page).unwrap()).unwrap(),
            r#"{"qId":"live","cells":[{"qText" : "Sales","qNum":1},{"qText":"x","a":"live"}]}"#
        );
        assert_eq!(pairs.as_live(br#"{"qText":"Sales"}"#), None);
    }
}
