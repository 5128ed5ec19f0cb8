//! Somebody who cuts sockets, and says things that nobody asked for.

use std::{sync::Arc, time::Duration};

use qix_tests::fake_engine::Cut;
use serde_json::json;
use tokio::sync::oneshot;

use super::{World, chance::Chance};

/// Cuts until it is told to stop.
pub(super) async fn run(world: Arc<World>, mut chance: Chance, mut stop: oneshot::Receiver<()>) {
    loop {
        let pause = Duration::from_millis(1 + chance.below(30));
        tokio::select! {
            _ = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
        if chance.one_in(3) {
            speak(&world, &mut chance);
            continue;
        }
        let connections = world.engine.connections();
        if connections.is_empty() {
            continue;
        }
        let cut = match chance.below(4) {
            0 => Cut::Drop,
            1 => Cut::MidFrame,
            _ => {
                let code = *chance.pick(&[1000, 1001, 1011, 1012, 4000, 4001, 4003, 4004, 4006, 4204, 4999]);
                let reason = *chance.pick(&["", "not JSON", r#"{"code":"QEP-104","traceId":"0"}"#]);
                Cut::Close(code, reason.to_owned())
            }
        };
        let name = match &cut {
            Cut::Drop => "cut without a close frame",
            Cut::MidFrame => "cut in the middle of a frame",
            Cut::Close(..) => "cut with a close code",
        };
        if world.engine.cut(*chance.pick(&connections), cut) {
            world.figures.count("cuts");
            world.figures.count(name);
        }
    }
}

fn speak(world: &World, chance: &mut Chance) {
    world.figures.count("unasked frames");
    match chance.below(5) {
        0 => world.engine.push_notification("OnSomethingNew", json!({"a": 1})),
        1 => world.engine.push_raw(r#"{"jsonrpc":"2.0","method":"OnConnected"}"#),
        2 => world.engine.push_raw(r#"{"jsonrpc":"2.0","id":987654321,"result":{"qReturn":"nobody asked"}}"#),
        3 => world.engine.push_raw(r#"{"jsonrpc":"2.0","suspend":[1]}"#),
        _ => world.engine.push_raw(r#"{"jsonrpc":"2.0","change":[1,2,3,4711]}"#),
    }
}
