use proptest::prelude::*;

use super::*;
use crate::faults::FaultRule;

fn rules(lines: &[&str]) -> FaultRules {
    seeded(lines, 42)
}

fn seeded(lines: &[&str], seed: u64) -> FaultRules {
    let rules = lines.iter().map(|line| line.parse::<FaultRule>().unwrap()).collect();
    FaultRules::new(rules, seed).unwrap()
}

/// One connection, whose calls are answered at once unless something is done about them.
struct Talk {
    machine: FaultMachine,
    last_id: u32,
}

impl Talk {
    fn new(rules: &FaultRules) -> Self {
        Self { machine: rules.connection("/app/x?qlikTicket=t"), last_id: 0 }
    }

    /// Asks, and returns what is done, each as a short text, and whether the engine was asked.
    fn ask(&mut self, method: &str, params: &str) -> (Vec<String>, bool) {
        self.ask_on(-1, method, params, r#"{"ok":1}"#)
    }

    fn ask_on(&mut self, handle: i32, method: &str, params: &str, result: &str) -> (Vec<String>, bool) {
        self.last_id += 1;
        let id = self.last_id;
        let (mut due, mut notes) = (Vec::new(), Vec::new());
        let request = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"handle":{handle},"method":"{method}","params":{params}}}"#
        );
        let asked = self.machine.request(request.as_bytes(), &mut due, &mut notes);
        let mut all = shown(&due);
        if asked {
            all.extend(self.answer(&format!(r#"{{"id":{id},"result":{result}}}"#)));
        }
        (all, asked)
    }

    fn answer(&mut self, text: &str) -> Vec<String> {
        let mut due = Vec::new();
        let passes = self.machine.message(text.as_bytes(), &mut due);
        let mut all = if passes { vec![text.to_owned()] } else { Vec::new() };
        all.extend(shown(&due));
        all
    }
}

fn shown(due: &[Due]) -> Vec<String> {
    let one = |due: &Due| {
        let what = match &due.act {
            Act::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Act::Close(code, reason) => format!("close {code} {reason}"),
            Act::Abort(half) => format!("abort {}", half.is_some()),
            Act::Release(number) => format!("release {number}"),
        };
        if due.after.is_zero() { what } else { format!("{:?}: {what}", due.after) }
    };
    due.iter().map(one).collect()
}

/// Returns what one rule does to the first call of `M`, and whether the engine was asked.
fn done(line: &str) -> (Vec<String>, bool) {
    Talk::new(&rules(&[line])).ask("M", "[]")
}

const ANSWER: &str = r#"{"id":1,"result":{"ok":1}}"#;

#[test]
fn error_answers_without_asking() {
    let (said, asked) = done("M error=15 parameter=p");
    assert_eq!(
        said,
        [r#"{"jsonrpc":"2.0","id":1,"error":{"code":15,"parameter":"p","message":"Request aborted"}}"#]
    );
    assert!(!asked);
    let (said, _) = done(r#"M error=LOCERR_GENERIC_NOT_FOUND message="gone away""#);
    assert_eq!(said, [r#"{"jsonrpc":"2.0","id":1,"error":{"code":2,"parameter":"","message":"gone away"}}"#]);
}

#[test]
fn each_kind_does_what_it_says() {
    for (line, expected, asks) in [
        ("M delay=2s", &["2s: {\"id\":1,\"result\":{\"ok\":1}}"][..], true),
        ("M drop=answer", &[], true),
        ("M drop=request", &[], false),
        ("M duplicate", &[ANSWER, ANSWER], true),
        ("M duplicate=2", &[ANSWER, ANSWER, ANSWER], true),
        ("M truncate=5", &[r#"{"id""#], true),
        ("M truncate=50%", &[r#"{"id":1,"resu"#], true),
        // Shorter than that, and still no JSON.
        ("M truncate=500", &[r#"{"id":1,"result":{"ok":1}"#], true),
        ("M close=1012", &["close 1012 "], false),
        ("M close=1012 reason=later at=before", &["close 1012 later"], true),
        ("M close=1012 at=after", &[ANSWER, "close 1012 "], true),
        ("M abort", &["abort false"], false),
        ("M abort at=before", &["abort false"], true),
        ("M abort at=middle", &["abort true"], true),
        ("M abort at=after", &[ANSWER, "abort false"], true),
        (
            "M notify=My with={\"a\":1}",
            &[ANSWER, r#"{"jsonrpc":"2.0","method":"My","params":{"a":1}}"#],
            true,
        ),
        ("M notify=My at=before", &[r#"{"jsonrpc":"2.0","method":"My","params":{}}"#, ANSWER], true),
        ("M notify=My at=instead", &[r#"{"jsonrpc":"2.0","method":"My","params":{}}"#], false),
        ("M notify=My close=4001", &[r#"{"jsonrpc":"2.0","method":"My","params":{}}"#, "close 4001 "], false),
    ] {
        assert_eq!(done(line), (expected.iter().map(|text| (*text).to_owned()).collect(), asks), "{line}");
    }
}

#[test]
fn closes_of_the_cloud_have_a_body_that_the_seed_decides() {
    let (said, asked) = done("M close=4204");
    let reason = said[0].strip_prefix("close 4204 ").unwrap();
    let parsed = qix_protocol::CloseReason::parse(reason);
    assert_eq!(parsed.code.as_deref(), Some("QEP-104"));
    assert_eq!(parsed.trace_id.unwrap().len(), 32);
    assert!(reason.len() <= 123 && !asked);
    assert_eq!(done("M close=4204").0, said);
    let other = Talk::new(&seeded(&["M close=4204"], 43)).ask("M", "[]").0;
    assert_ne!(other, said);
}

#[test]
fn later_answers_overtake_one_that_is_reordered() {
    let rules = rules(&["A reorder=2"]);
    let mut talk = Talk::new(&rules);
    assert_eq!(talk.ask("A", "[]").0, ["1s: release 1"]);
    assert_eq!(talk.ask("B", "[]").0.len(), 1);
    assert_eq!(talk.ask("B", "[]").0, [r#"{"id":3,"result":{"ok":1}}"#, ANSWER]);
    // If nothing comes behind it, it is said after a while all the same, and once.
    assert_eq!(talk.ask("A", "[]").0, ["1s: release 2"]);
    for expected in [&[r#"{"id":4,"result":{"ok":1}}"#][..], &[]] {
        let mut due = Vec::new();
        talk.machine.release(2, &mut due);
        assert_eq!(shown(&due), expected);
    }
}

#[test]
fn answers_are_cut_between_characters() {
    let text = Bytes::from("{\"a\":\"éé\"}");
    for bytes in 0..20 {
        let cut = cut_short(&text, Cut::Bytes(bytes));
        assert!(str::from_utf8(&cut).is_ok() && serde_json::from_slice::<serde_json::Value>(&cut).is_err());
    }
    assert!(cut_short(&Bytes::new(), Cut::Share(0.5)).is_empty());
}

#[test]
fn rules_count_the_calls_that_match() {
    let strikes = |line: &str, calls: u32| {
        let rules = rules(&[line]);
        let mut talk = Talk::new(&rules);
        (1..=calls).filter(|_| !talk.ask("M", "[]").1).collect::<Vec<_>>()
    };
    assert_eq!(strikes("M nth=3 error=1", 9), [3]);
    assert_eq!(strikes("M every=3 error=1", 9), [3, 6, 9]);
    assert_eq!(strikes("M from=8 error=1", 9), [8, 9]);
    assert_eq!(strikes("M first=2 error=1", 9), [1, 2]);
    assert_eq!(strikes("M every=2 from=4 times=2 error=1", 9), [4, 6]);
    assert_eq!(strikes("N error=1", 9), [0; 0]);
    let half = strikes("M probability=0.5 error=1", 1000).len();
    assert!((400..600).contains(&half), "{half}");
}

#[test]
fn rules_name_paths_connections_objects_and_parameters() {
    let all = rules(&[
        "M path=/app/y error=1",
        "M connection=2 error=2",
        "M object=listbox error=3",
        "M object=*GetObject(\"CH*\")* error=4",
        "M contains=\"\\\"LB01\\\"\" error=5",
        "M object=Doc error=6",
        "M object=Global error=7",
    ]);
    let code = |said: Vec<String>| said[0].split("\"code\":").nth(1).map(|rest| rest[..1].to_owned());
    let mut talk = Talk::new(&all);
    let open = |talk: &mut Talk, on, method: &str, params: &str, handle: i32, class: &str, kind: &str| {
        let reference = format!(
            r#"{{"qReturn":{{"qType":"{class}","qHandle":{handle},"qGenericType":"{kind}","qGenericId":"id{handle}"}}}}"#
        );
        talk.ask_on(on, method, params, &reference);
    };
    open(&mut talk, -1, "OpenDoc", r#"["x"]"#, 1, "Doc", "");
    open(&mut talk, 1, "GetObject", r#"["LB"]"#, 2, "GenericObject", "listbox");
    open(&mut talk, 1, "GetObject", r#"["CH01"]"#, 3, "GenericObject", "barchart");
    for (handle, params, expected) in [
        (2, "[]", "3"),
        (3, "[]", "4"),
        (3, r#"["LB01"]"#, "4"),
        (9, r#"["LB01"]"#, "5"),
        (1, "[]", "6"),
        (-1, "[]", "7"),
    ] {
        let said = talk.ask_on(handle, "M", params, "{}").0;
        assert_eq!(code(said).as_deref(), Some(expected), "{handle} {params}");
    }
    // A closed handle is nobody's.
    talk.answer(r#"{"close":[2]}"#);
    assert_eq!(code(talk.ask_on(2, "M", "[]", "{}").0), None);
    assert_eq!(code(Talk::new(&all).ask_on(5, "M", "[]", "{}").0).as_deref(), Some("2"));
    let mut other = Talk { machine: all.connection("/app/y"), last_id: 0 };
    assert_eq!(code(other.ask("M", "[]").0).as_deref(), Some("1"));
}

#[test]
fn objects_that_answers_in_patches_open_are_known_and_can_be_listed() {
    let rules = rules(&["M change=GenericObject", "M suspend=id2 at=before"]);
    let mut talk = Talk::new(&rules);
    let patched = |handle: i32, class: &str| {
        format!(
            r#"{{"qReturn":[{{"op":"add","path":"/","value":{{"qType":"{class}","qHandle":{handle},"qGenericId":"id{handle}"}}}}]}}"#
        )
    };
    for (handle, class) in [(1, "Doc"), (2, "GenericObject"), (3, "GenericObject")] {
        talk.last_id += 1;
        let id = talk.last_id;
        let request =
            format!(r#"{{"id":{id},"handle":-1,"method":"Open{handle}","delta":true,"params":[]}}"#);
        talk.machine.request(request.as_bytes(), &mut Vec::new(), &mut Vec::new());
        talk.answer(&format!(r#"{{"id":{id},"delta":true,"result":{}}}"#, patched(handle, class)));
    }
    let said = talk.ask("M", "[]").0;
    assert_eq!(
        said,
        [
            r#"{"jsonrpc":"2.0","suspend":[2]}"#,
            r#"{"id":4,"result":{"ok":1}}"#,
            r#"{"jsonrpc":"2.0","change":[2, 3]}"#
        ]
    );
}

#[test]
fn rules_join_on_a_call_and_the_first_of_two_that_cannot_both_be_strikes() {
    let rules =
        rules(&["M delay=1s", "M nth=1 error=1", "M* drop=answer", "* close=1001 at=before", "M delay=2s"]);
    let mut talk = Talk::new(&rules);
    assert_eq!(
        talk.ask("M", "[]").0,
        [r#"3s: {"jsonrpc":"2.0","id":1,"error":{"code":1,"parameter":"","message":"Not set"}}"#]
    );
    let counts: Vec<_> = rules.counts().iter().map(|count| (count.matched, count.struck)).collect();
    assert_eq!(counts, [(1, 1), (1, 1), (1, 0), (1, 0), (1, 1)]);
    assert_eq!(talk.ask("M", "[]").0, [""; 0]);
}

#[test]
fn rule_whose_deed_another_makes_impossible_has_not_struck() {
    for (lines, struck) in [
        (["M close=1001", "M notify=OnMy"], [1, 0]),
        (["M notify=OnMy", "M close=1001"], [1, 0]),
        (["M notify=OnMy", "M abort at=middle"], [1, 0]),
        (["M notify=OnMy at=before", "M close=1001 at=before"], [1, 1]),
        (["M notify=OnMy at=instead", "M truncate=50%"], [1, 0]),
        (["M truncate=50%", "M notify=OnMy at=instead"], [1, 0]),
        (["M error=15", "M notify=OnMy"], [1, 1]),
    ] {
        let rules = rules(&lines);
        let said = Talk::new(&rules).ask("M", "[]").0;
        let counts: Vec<_> = rules.counts().iter().map(|count| count.struck).collect();
        assert_eq!(counts, struck, "{lines:?}: {said:?}");
    }
}

#[test]
fn what_expects_no_answer_and_what_is_no_request_is_left_alone() {
    let rules = rules(&["* error=1"]);
    let mut machine = rules.connection("/");
    for text in [r#"{"method":"M"}"#, "hello", r#"{"id":1,"result":{}}"#, ""] {
        let mut due = Vec::new();
        assert!(machine.request(text.as_bytes(), &mut due, &mut Vec::new()) && due.is_empty(), "{text}");
    }
    for text in [r#"{"id":1,"result":{}}"#, "hello", r#"{"change":[1]}"#, r#"{"method":"OnConnected"}"#] {
        assert!(machine.message(text.as_bytes(), &mut Vec::new()), "{text}");
    }
}

#[test]
fn strikes_are_told_with_rule_and_call_and_no_parameters() {
    let rules = rules(&["M nth=2 delay=1s..2s close=4204 at=after"]);
    let mut talk = Talk::new(&rules);
    for _ in 0..3 {
        talk.ask("M", r#"["s3cret"]"#);
    }
    let strikes = rules.strikes();
    let [strike] = &strikes[..] else { panic!("{strikes:?}") };
    assert_eq!((strike.rule, &*strike.path, strike.connection, strike.call), (0, "/app/x", 1, 2));
    let text = &strike.text;
    assert!(
        text.contains("fault 1") && text.contains("M, request 2: closed with 4204 after the answer"),
        "{text}"
    );
    assert!(!text.contains("s3cret"));
}

#[test]
fn upgrades_are_counted_over_all_connections() {
    let rules = rules(&["upgrade every=2 path=/app/* refuse=503 headers={\"Retry-After\":\"5\"} body=busy"]);
    let refused: Vec<bool> = (0..5).map(|_| rules.upgrade("/app/x?a=b").is_some()).collect();
    assert_eq!(refused, [false, true, false, true, false]);
    assert!(rules.upgrade("/other").is_none());
    let refused = rules.upgrade("/app/x").unwrap();
    let (status, headers) = refused.head();
    assert_eq!(
        (status.as_u16(), &headers["retry-after"], &refused.body()[..]),
        (503, &"5".parse().unwrap(), &b"busy"[..])
    );
    // They are no calls.
    assert!(Talk::new(&rules).ask("M", "[]").1);
}

#[test]
fn rules_that_strike_the_same_with_what_cannot_both_be_are_refused() {
    let new = |lines: &[&str]| FaultRules::new(lines.iter().map(|line| line.parse().unwrap()).collect(), 1);
    let error = new(&["M nth=2 error=15", "M nth=2 drop=answer"]).unwrap_err().to_string();
    assert!(
        error.contains("the fault 'M nth=2 drop=answer'") && error.contains("M nth=2 error=15"),
        "{error}"
    );
    assert!(new(&["M error=15", "M nth=2 drop=answer"]).is_ok());
    assert!(new(&["M nth=2 error=15", "M nth=2 delay=1s"]).is_ok());
    assert!(new(&["M probability=0.5 error=15", "M probability=0.5 drop=answer"]).is_ok());
    assert!(new(&["upgrade refuse=503", "upgrade refuse=429"]).is_err());
}

/// What happened to the calls of connections that were made in some order.
fn play(seed: u64, order: &[usize]) -> Vec<Vec<(Vec<String>, bool)>> {
    let rules = seeded(
        &[
            "A* probability=0.4 error=15",
            "A* probability=0.3 delay=10ms..90ms",
            "* every=3 probability=0.7 close=4220 at=after",
            "B times=2 probability=0.5 truncate=50%",
        ],
        seed,
    );
    let mut talks: Vec<Talk> =
        (0..3).map(|at| Talk { machine: rules.connection(&format!("/app/{at}")), last_id: 0 }).collect();
    let mut all = vec![Vec::new(); 3];
    for at in order {
        let method = ["A", "B", "A2"][all[*at].len() % 3];
        let done = talks[*at].ask(method, "[]");
        all[*at].push(done);
    }
    all
}

proptest! {
    // Rules are read anew for each case.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn same_seed_gives_the_same_faults_whatever_the_order_of_connections(
        seed in any::<u64>(),
        order in Just((0..30).map(|at| at % 3).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let in_turn: Vec<usize> = (0..30).map(|at| at / 10).collect();
        prop_assert_eq!(play(seed, &order), play(seed, &in_turn));
    }

    #[test]
    fn nothing_a_client_or_an_engine_says_breaks_it(texts in proptest::collection::vec("[\\PC]{0,40}", 0..20)) {
        let rules = rules(&["* duplicate every=2", "* truncate=50% every=3", "* object=x delay=1s", "* reorder every=5"]);
        let mut machine = rules.connection("/");
        for text in &texts {
            machine.request(text.as_bytes(), &mut Vec::new(), &mut Vec::new());
            machine.message(text.as_bytes(), &mut Vec::new());
        }
    }
}

#[test]
fn another_seed_gives_other_faults() {
    let order: Vec<usize> = (0..30).map(|at| at % 3).collect();
    assert_ne!(play(1, &order), play(2, &order));
}
