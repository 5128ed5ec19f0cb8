//! The model of the demo recording.

use super::{Event, Events, Fetch, RecordingModel};
use crate::record::RecordingReader;

fn demo() -> RecordingReader<&'static [u8]> {
    RecordingReader::new(&include_bytes!("../../assets/demo.qixrec")[..], "demo.qixrec").unwrap()
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
