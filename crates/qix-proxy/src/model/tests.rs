//! The model of the demo recording, and of conversations that are written down here.

use std::time::Duration;

use super::{Event, Events, Fetch, ModelBuilder, RecordingModel, Weight};
use crate::record::{ReadError, RecordingReader};

fn demo() -> RecordingReader<&'static [u8]> {
    RecordingReader::new(&include_bytes!("../../assets/demo.qixrec")[..], "demo.qixrec").unwrap()
}

/// Makes a recording of lines: `1+` opens connection 1, `1> {…}` is said by its client and `1< {…}` by its engine, `1x {…}` closes it,
/// and other lines are entries without connection. A line takes a millisecond.
pub(crate) fn recording(script: &[&str]) -> Vec<u8> {
    let mut text = "{\"qixrec\":[1,2],\"started\":\"2026-01-02T03:04:05Z\"}\n".to_owned();
    for (at, line) in script.iter().enumerate() {
        let start = format!("{{\"seq\":{},\"t\":{}", at + 1, at * 1000);
        let open = r#""kind":"open","status":101,"url":"/app/a","request":[["host","h"]],"response":[]"#;
        text += &match (line.split_at(2), line.as_bytes()[1]) {
            ((conn, rest), b'+') => format!("{start},\"conn\":{},{open}{rest}}}\n", &conn[..1]),
            ((conn, rest), b'>') => {
                format!(
                    "{start},\"conn\":{},\"kind\":\"frame\",\"from\":\"client\",\"json\":{}}}\n",
                    &conn[..1],
                    rest.trim()
                )
            }
            ((conn, rest), b'<') => {
                format!(
                    "{start},\"conn\":{},\"kind\":\"frame\",\"from\":\"engine\",\"json\":{}}}\n",
                    &conn[..1],
                    rest.trim()
                )
            }
            ((conn, rest), b'x') => {
                format!("{start},\"conn\":{},\"kind\":\"close\",{}}}\n", &conn[..1], rest.trim())
            }
            _ => format!("{start},{line}}}\n"),
        };
    }
    text.into_bytes()
}

fn model(script: &[&str]) -> RecordingModel {
    RecordingModel::read(RecordingReader::new(&recording(script)[..], "x").unwrap()).unwrap()
}

/// With the results of answers with patches, and without them.
fn models(script: &[&str]) -> [RecordingModel; 2] {
    let bytes = recording(script);
    [ModelBuilder::new(), ModelBuilder::new().without_results()].map(|builder| {
        let mut model = RecordingModel::default();
        for event in Events::with(RecordingReader::new(&bytes[..], "x").unwrap(), builder) {
            model.add(&event.unwrap());
        }
        model
    })
}

/// Opens an app, an object `a` with handle 2 and an object `b` with handle 3: entries 1 to 7.
pub(crate) const OPENED: [&str; 7] = [
    "1+",
    r#"1> {"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
    r#"1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}}}"#,
    r#"1> {"id":2,"handle":1,"method":"GetObject","params":["a"]}"#,
    r#"1< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericType":"sheet","qGenericId":"a"}}}"#,
    r#"1> {"id":3,"handle":1,"method":"GetObject","params":["b"]}"#,
    r#"1< {"id":3,"result":{"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericType":"kpi","qGenericId":"b"}}}"#,
];

fn and(more: &[&'static str]) -> Vec<&'static str> {
    [&OPENED[..], more].concat()
}

#[test]
fn calls_are_told_by_object_and_method_with_their_answers() {
    let model = RecordingModel::read(demo()).unwrap();
    assert!(model.calls.iter().all(|call| call.answer.is_some()));
    let told: Vec<_> =
        model.calls.iter().map(|call| format!("{} {}", call.object.name(), call.method)).collect();
    assert!(told.iter().any(|told| told == "global OpenDoc"), "{told:#?}");
    assert!(model.calls.iter().any(|call| call.fetch == Some(Fetch::First)));
}

#[test]
fn every_call_is_told_first_as_made_and_then_as_over() {
    let (mut asked, mut called) = (0, 0);
    for event in Events::new(demo()) {
        match event.unwrap() {
            Event::Asked(_) => asked += 1,
            Event::Called(_) => called += 1,
            _ => {}
        }
        assert!(called <= asked);
    }
    assert!(asked > 0 && asked == called);
}

#[test]
fn title_that_is_learned_late_is_that_of_the_object_from_then_on() {
    let model = model(&and(&[
        r#"1> {"id":4,"handle":2,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":4,"result":{"qLayout":{"qMeta":{"title":"Overview\u001b[2J"}}}}"#,
        r#"1> {"id":5,"handle":2,"method":"GetChildInfos","params":[]}"#,
    ]));
    let names: Vec<_> = model.calls[2..].iter().map(|call| call.object.name()).collect();
    assert!(names[1].starts_with("sheet Overview") && !names[1].contains('\u{1b}'), "{names:?}");
    let object = &model.calls[3].object;
    assert_eq!(
        (object.class(), &*object.id, object.opened),
        ("GenericObject", "a", Duration::from_millis(4))
    );
    assert_eq!(model.object(object.number).unwrap().name(), names[1]);
}

#[test]
fn handle_that_nobody_saw_opened_becomes_what_a_later_answer_says() {
    let model = model(&[
        "1+,\"continued\":true",
        r#"1> {"id":1,"handle":7,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":1,"result":{"qLayout":{"title":"KPI"}}}"#,
        r#"1> {"id":2,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
        r#"1< {"id":2,"result":{"qReturn":{"qType":"Doc","qHandle":7,"qGenericId":"Sales"}}}"#,
    ]);
    let number = model.calls[0].object.number;
    assert_eq!(model.calls[0].object.name(), "handle 7 KPI");
    assert_eq!(
        (model.calls[1].opened.clone(), model.object(number).unwrap().name()),
        (vec![number], "app KPI".to_owned())
    );
}

#[test]
fn what_is_opened_from_an_object_that_nobody_saw_opened_has_type_and_id_and_no_lineage() {
    let open = r#"1> {"id":1,"handle":1,"method":"GetObject","params":["CH01"]}"#;
    let opened = r#"1< {"id":1,"result":{"qReturn":{"qType":"GenericObject","qHandle":12,"qGenericType":"barchart","qGenericId":"CH01"}}}"#;
    let get = r#"1> {"id":2,"handle":12,"method":"GetLayout","params":[]}"#;
    let got = r#"1< {"id":2,"result":{"qLayout":{"title":"Sales"}}}"#;
    let continued = "1+,\"continued\":true";
    // Opened before it is used, and used before it is opened, twice.
    for lines in
        [&[continued, open, opened, get, got][..], &[continued, get, got, open, opened, open, opened]]
    {
        let bytes = recording(lines);
        let events: Vec<_> =
            Events::new(RecordingReader::new(&bytes[..], "x").unwrap()).map(Result::unwrap).collect();
        let told = events.iter().filter_map(|event| match event {
            Event::Object(object) if object.handle.get() == 12 => Some(object),
            _ => None,
        });
        let told: Vec<_> = told.collect();
        let object = told.last().unwrap();
        assert_eq!(
            (object.name(), &*object.id, &object.lineage),
            ("barchart Sales".to_owned(), "CH01", &None)
        );
        assert!(told.len() <= 3, "{told:?}");
        let opens = |event: &Event| match event {
            Event::Called(called) if &*called.call.method == "GetObject" => Some(called.call.opened.clone()),
            _ => None,
        };
        assert!(events.iter().filter_map(opens).all(|opens| opens == [object.number]));
    }
}

#[test]
fn change_is_laid_to_the_answer_or_the_unanswered_write_or_the_latest_write() {
    let model = model(&and(&[
        // 8, 9: the answer itself says so.
        r#"1> {"id":4,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false]}"#,
        r#"1< {"id":4,"result":{"qSuccess":true},"change":[3]}"#,
        // 10, 11, 12: pushed before the answer.
        r#"1> {"id":5,"handle":1,"method":"ClearAll","params":[]}"#,
        r#"1< {"change":[2,3]}"#,
        r#"1< {"id":5,"result":{}}"#,
        // 13: pushed long after.
        r#"1< {"change":[2]}"#,
        // 14, 15: the answer of what only reads is no cause.
        r#"1> {"id":6,"handle":1,"method":"GetAppLayout","params":[]}"#,
        r#"1< {"id":6,"result":{"qLayout":{}},"change":[3],"suspend":[2]}"#,
    ]));
    let told: Vec<_> = model
        .changes
        .iter()
        .map(|change| (change.seq, change.by, change.objects.len(), change.is_suspended))
        .collect();
    assert_eq!(
        told,
        [
            (9, Some(8), 1, false),
            (11, Some(10), 2, false),
            (13, Some(10), 1, false),
            (15, Some(10), 1, false),
            (15, Some(10), 1, true)
        ]
    );
}

#[test]
fn fetches_say_whether_anything_had_changed_and_failed_ones_do_not_count() {
    let get = r#"1> {"id":9,"handle":2,"method":"GetLayout","params":[]}"#;
    let got = r#"1< {"id":9,"result":{"qLayout":{}}}"#;
    let model = model(&and(&[
        get,
        r#"1< {"id":9,"error":{"code":15,"message":"aborted"}}"#,
        get,
        got,
        get,
        got,
        r#"1> {"id":4,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false]}"#,
        r#"1< {"id":4,"result":{"qSuccess":true},"change":[2]}"#,
        get,
        got,
        r#"1> {"id":9,"handle":2,"method":"GetHyperCubeData","params":["/q",[]]}"#,
    ]));
    let fetches: Vec<_> = model.calls.iter().filter_map(|call| call.fetch).collect();
    assert_eq!(
        fetches,
        [Fetch::First, Fetch::First, Fetch::Unchanged, Fetch::Changed(Some(14)), Fetch::First]
    );
}

#[test]
fn new_question_is_asked_because_of_a_change_until_the_new_state_was_answered() {
    let (select, selected) = (
        r#"1> {"id":4,"handle":3,"method":"SelectListObjectValues","params":["/q",[1],false]}"#,
        r#"1< {"id":4,"result":{"qSuccess":true},"change":[2]}"#,
    );
    let (get, got) = (
        r#"1> {"id":9,"handle":2,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":9,"result":{"qLayout":{}}}"#,
    );
    let aborted = r#"1< {"id":9,"error":{"code":15,"message":"aborted"}}"#;
    let page = |id: u32| {
        format!(r#"1> {{"id":{id},"handle":2,"method":"GetHyperCubeData","params":["/q",[{id}]]}}"#)
    };
    let [one, two] = [page(5), page(6)];
    let model =
        model(&[&OPENED[..], &[get, got, select, selected, get, aborted, get, &one, got, &two]].concat());
    let fetches: Vec<_> = model.calls.iter().filter_map(|call| Some((call.fetch?, call.seq))).collect();
    let changed = Fetch::Changed(Some(10));
    assert_eq!(fetches, [(Fetch::First, 8), (changed, 12), (changed, 14), (changed, 15), (Fetch::First, 17)]);
}

#[test]
fn page_that_is_fetched_again_is_known_among_many() {
    let page = |page: u32| {
        [
            format!(r#"1> {{"id":{page},"handle":2,"method":"GetHyperCubeData","params":["/q",[{page}]]}}"#),
            format!(r#"1< {{"id":{page},"result":{{"qDataPages":[]}}}}"#),
        ]
    };
    let pages: Vec<_> = (100..400).chain(100..400).flat_map(page).collect();
    let lines = [&OPENED[..], &pages.iter().map(|line| &**line).collect::<Vec<_>>()].concat();
    let fetches: Vec<_> = model(&lines).calls.iter().filter_map(|call| call.fetch).collect();
    assert_eq!(fetches, [[Fetch::First; 300], [Fetch::Unchanged; 300]].concat());
}

#[test]
fn object_that_is_listed_as_changed_by_the_answer_that_opens_it_has_not_changed_since() {
    let model = model(&[
        "1+",
        r#"1> {"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
        r#"1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}},"change":[1]}"#,
        r#"1> {"id":2,"handle":1,"method":"GetAppLayout","params":[]}"#,
        r#"1> {"id":3,"handle":1,"method":"GetProperties","params":[]}"#,
    ]);
    assert!(model.changes.is_empty());
    assert_eq!(
        model.calls.iter().filter_map(|call| call.fetch).collect::<Vec<_>>(),
        [Fetch::First, Fetch::First]
    );
}

#[test]
fn connections_that_attach_share_the_session_and_others_do_not() {
    let created = r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;
    let attached = r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_ATTACHED"}}"#;
    let refused = r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_ERROR_NO_LICENSE"}}"#;
    let lines = [
        "1+".to_owned(),
        format!("1< {created}"),
        "4+".to_owned(),
        format!("4< {refused}"),
        "2+".to_owned(),
        format!("2< {attached}"),
        "3+".to_owned(),
        format!("3< {created}"),
    ];
    let lines: Vec<_> = lines.iter().map(|line| &**line).collect();
    let model = model(&lines);
    let sessions: Vec<_> = model.connections.iter().map(|connection| connection.session).collect();
    let [one, refused, again, new] = sessions[..] else { panic!("{sessions:?}") };
    assert!(one == again && again != new && refused != one, "{sessions:?}");
}

#[test]
fn selections_are_told_by_calls_and_by_layouts_also_patched_ones_without_results() {
    let lines = and(&[
        r#"1> {"id":4,"handle":2,"method":"SelectListObjectValues","params":["/qListObjectDef",[1],false]}"#,
        r#"1< {"id":4,"result":{"qSuccess":true}}"#,
        r#"1> {"id":5,"handle":3,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":5,"result":{"qLayout":[{"op":"add","path":"/","value":{"qSelectionObject":{"qSelections":[{"qField":"Region","qSelected":"North"}]}}}]},"delta":true}"#,
        r#"1> {"id":6,"handle":3,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":6,"result":{"qLayout":[{"op":"replace","path":"/qSelectionObject/qSelections/0/qSelected","value":"South"}]},"delta":true}"#,
    ]);
    for model in models(&lines) {
        let told: Vec<_> = model
            .selections
            .iter()
            .map(|selection| (selection.words.clone(), selection.state.clone()))
            .collect();
        assert_eq!(
            told[0],
            ("SelectListObjectValues of sheet a \"/qListObjectDef\",[1],false".to_owned(), None)
        );
        let state = |value: &str| Some(vec![("Region".to_owned(), value.to_owned())]);
        assert_eq!(told[1..], [(String::new(), state("North")), (String::new(), state("South"))]);
    }
}

#[test]
fn reload_is_told_with_its_progress_and_a_script_that_failed_is_a_failure() {
    let model = model(&and(&[
        r#"1> {"id":4,"handle":1,"method":"DoReload","params":[0,false,false]}"#,
        r#"1> {"id":5,"handle":-1,"method":"GetProgress","params":[4]}"#,
        r#"1< {"id":5,"result":{"qProgressData":{"qStarted":true,"qCompleted":5,"qTotal":10,"qPersistentProgress":"Orders\n"}}}"#,
        r#"1> {"id":6,"handle":-1,"method":"GetProgress","params":[4]}"#,
        r#"1< {"id":6,"result":{"qProgressData":{"qStarted":true,"qCompleted":5,"qTotal":10,"qErrorData":[{"qErrorString":"no field"}]}}}"#,
        r#"1< {"id":4,"result":{"qReturn":false}}"#,
    ]));
    let told: Vec<_> = model
        .progress
        .iter()
        .map(|progress| (progress.seq, progress.percent, progress.errors.len()))
        .collect();
    assert_eq!(told, [(8, Some(50), 0), (8, Some(50), 1)]);
    assert_eq!(model.progress[0].text, "Orders");
    let reload = model.calls.iter().find(|call| &*call.method == "DoReload").unwrap();
    assert_eq!(reload.failure.as_ref().unwrap().words, "the script failed");
}

#[test]
fn errors_are_told_by_code_and_name_those_in_layouts_too_patched_or_not() {
    let models = models(&and(&[
        r#"1> {"id":4,"handle":2,"method":"Nothing"}"#,
        r#"1< {"id":4,"error":{"code":-32601,"message":"Method not found"}}"#,
        r#"1> {"id":5,"handle":3,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":5,"result":{"qLayout":[{"op":"add","path":"/","value":{"qHyperCube":{}}}]},"delta":true}"#,
        r#"1> {"id":6,"handle":3,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":6,"result":{"qLayout":[{"op":"add","path":"/qHyperCube/qError","value":{"qErrorCode":7005}}]},"delta":true}"#,
        r#"1> {"id":7,"handle":3,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":7,"result":{"qLayout":[{"op":"replace","path":"/qHyperCube","value":{"qError":{"qErrorCode":0},"qMeasureInfo":[{"qError":{"qErrorCode":7005}}]}}]},"delta":true}"#,
    ]));
    for model in models {
        let failures: Vec<_> = model.calls[3..]
            .iter()
            .map(|call| call.failure.as_ref().map(|failure| (failure.code, failure.name)))
            .collect();
        let failed = Some((Some(7005), Some("CALC_EVAL_CONDITION_FAILED")));
        let not_found = Some((Some(-32601), Some("JSON_RPC_METHOD_NOT_FOUND")));
        assert_eq!(failures, [not_found, None, failed, failed]);
    }
}

#[test]
fn selection_that_the_engine_refuses_is_none() {
    let models = models(&and(&[
        r#"1> {"id":4,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false]}"#,
        r#"1< {"id":4,"result":{"qSuccess":false}}"#,
        r#"1> {"id":5,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false],"delta":true}"#,
        r#"1< {"id":5,"result":{"qSuccess":[{"op":"add","path":"/","value":false}]},"delta":true}"#,
        r#"1> {"id":6,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false],"delta":true}"#,
        r#"1< {"id":6,"result":{"qSuccess":[]},"delta":true}"#,
        r#"1> {"id":7,"handle":2,"method":"SelectListObjectValues","params":["/q",[1],false],"delta":true}"#,
        r#"1< {"id":7,"result":{"qSuccess":[{"op":"replace","path":"/","value":true}]},"delta":true}"#,
    ]));
    for model in models {
        assert_eq!(model.selections.iter().map(|selection| selection.seq).collect::<Vec<_>>(), [14]);
    }
}

#[test]
fn title_that_a_patch_changes_is_learned_with_results_and_without() {
    let models = models(&and(&[
        r#"1> {"id":4,"handle":2,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":4,"result":{"qLayout":[{"op":"add","path":"","value":{"qMeta":{"title":"Sales"}}}]},"delta":true}"#,
        r#"1> {"id":5,"handle":2,"method":"GetLayout","params":[],"delta":true}"#,
        r#"1< {"id":5,"result":{"qLayout":[{"op":"replace","path":"/qMeta/title","value":"Costs"}]},"delta":true}"#,
    ]));
    for model in models {
        let names: Vec<_> = model.calls[3..].iter().map(|call| call.object.name()).collect();
        assert_eq!(names, ["sheet Sales", "sheet Costs"]);
    }
}

#[test]
fn calls_without_answers_are_told_when_their_connection_ends_and_objects_are_closed_with_it() {
    let model = model(&and(&[
        r#"1> {"id":4,"handle":2,"method":"GetLayout"}"#,
        r#"1x "by":"engine","code":4204,"clean":true"#,
        "2+",
        r#"2> {"id":1,"handle":-1,"method":"EngineVersion"}"#,
    ]));
    let unanswered: Vec<_> =
        model.calls.iter().filter(|call| call.answer.is_none()).map(|call| call.seq).collect();
    assert_eq!(unanswered, [8, 11]);
    let ends: Vec<_> = model.ends.iter().map(|end| (end.code, end.unanswered, end.is_open)).collect();
    assert_eq!(ends, [(Some(4204), 1, false), (None, 1, true)]);
    assert!(model.objects.keys().all(|number| model.closed.contains_key(number)));
    assert_eq!(model.duration, Duration::from_millis(10));
}

#[test]
fn what_is_no_call_is_told_in_words_without_secrets() {
    let model = model(&[
        "1+",
        r#"1< {"method":"OnSessionTimedOut","params":{"severity":"fatal","message":"idle, password=s3cret"}}"#,
        r#"1> ["no QIX"]"#,
        r#""kind":"gap","since":0,"frames":2,"others":1,"reason":"disk full""#,
        r#""kind":"note","text":"fault 1 (x): M: cut""#,
        r#""kind":"weather","sun":true"#,
        r#""kind":"refused","url":"/app/x","status":403,"request":[],"response":[],"body":"no""#,
        r#""kind":"http","method":"GET","url":"/hub?a=1","status":404,"request":[],"response":[],"wait":1,"took":500"#,
    ]);
    let told: Vec<_> = model.notices.iter().map(|notice| (notice.weight, &*notice.words)).collect();
    let has = |weight, part: &str| told.iter().any(|(found, words)| *found == weight && words.contains(part));
    assert!(
        has(Weight::Bad, "timed out")
            && has(Weight::Odd, "no QIX")
            && has(Weight::Bad, "2 messages and 1 other"),
        "{told:?}"
    );
    assert!(
        has(Weight::Odd, "fault 1")
            && has(Weight::Normal, "weather")
            && !format!("{told:?}").contains("s3cret")
    );
    assert_eq!(model.connections[1].refused.as_deref(), Some("403 Forbidden: no"));
    let exchange = &model.exchanges[0];
    assert_eq!(
        (exchange.at, exchange.failure.as_deref()),
        (Duration::from_micros(6500), Some("404 Not Found"))
    );
}

#[test]
fn first_byte_splits_the_latency() {
    let mut bytes = recording(&["1+", r#"1> {"id":1,"handle":-1,"method":"M"}"#]);
    bytes.extend_from_slice(
        b"{\"seq\":3,\"t\":9000,\"conn\":1,\"kind\":\"frame\",\"from\":\"engine\",\"began\":6000,\"json\":{\"id\":1,\"result\":{}}}\n",
    );
    let model = RecordingModel::read(RecordingReader::new(&bytes[..], "x").unwrap()).unwrap();
    let call = &model.calls[0];
    let parts = [call.latency(), call.waiting(), call.transfer()].map(|part| part.unwrap().as_millis());
    assert_eq!(parts, [8, 5, 3]);
}

#[test]
fn what_was_found_before_damage_is_told_before_the_error() {
    let mut bytes = recording(&["1+", r#"1> {"id":1,"handle":-1,"method":"M"}"#]);
    bytes.extend_from_slice(b"junk\n");
    let told: Vec<_> = Events::new(RecordingReader::new(&bytes[..], "x").unwrap()).collect();
    assert!(matches!(told.last(), Some(Err(ReadError::Damaged { .. }))));
    assert!(told.iter().any(|event| matches!(event, Ok(Event::Called(_)))));
}

#[test]
fn calls_that_wait_too_long_are_told_without_an_answer_while_the_recording_is_read() {
    let mut builder = ModelBuilder::new();
    let entries = recording(&["1+"]);
    let mut calls = 0;
    let mut tell = |event: Event| calls += usize::from(matches!(event, Event::Called(_)));
    for entry in RecordingReader::new(&entries[..], "x").unwrap() {
        builder.take(entry.unwrap(), &mut tell);
    }
    for seq in 2..40_002u64 {
        let line = format!(
            "{{\"seq\":{seq},\"t\":1,\"conn\":1,\"kind\":\"frame\",\"from\":\"client\",\"json\":{{\"id\":{seq},\"handle\":{seq},\"method\":\"SetX{seq}\"}}}}"
        );
        builder.take(crate::record::entry_of(&line.into()).unwrap(), &mut tell);
    }
    // All but those that still wait were given up, and told.
    assert_eq!(calls, 40_000 - (1 << 14));
}
