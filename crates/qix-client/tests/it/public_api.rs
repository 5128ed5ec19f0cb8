//! What programs on tokio need of the types: checked when it is compiled.

use std::future::IntoFuture;

use qix_client::{
    As, Call, CallFuture, Changes, Doc, Dynamic, Error, GenericObject, Global, Layouts, Notifications,
    Object, OpenApp, Reload, ReloadProgress, Reloaded, Reloading, Request, ResumeReport, Sent, Session,
    SessionBuilder, SessionConfig, State, States, Untouched,
    app::Script,
    data::{CubeDef, HyperCube, ListObject, Live, Pages, Pivots, Rows, Table},
    layer::{Answering, Around, CallService, Calls, Limit, Next, Retry},
    lists::{Listing, Sheet},
    protocol::schema::{doc, generic_object},
    selections::{FieldSelections, Modal},
    testing::{Expected, ScriptedEngine},
};
use serde_json::Value;

fn shared<T: Send + Sync + 'static>() {}

fn moved<T: Send + 'static>() {}

fn spawned<F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>>(_: F) {}

fn service<S: CallService>() {}

#[test]
fn handles_and_values_are_shared_between_tasks() {
    shared::<(Session, Global, Doc, GenericObject, Object, Error, State, ResumeReport)>();
    shared::<(SessionConfig, Request, Calls, Next, ScriptedEngine, Expected)>();
    shared::<(Call<doc::GetObject>, Call<As<Value>>, Call<Dynamic>, Call<Untouched>, OpenApp)>();
    shared::<(HyperCube, ListObject, CubeDef, Table, Listing<Sheet>, Script, Reloaded, ReloadProgress)>();
    shared::<(Changes, States, Notifications, FieldSelections, Modal)>();
}

#[test]
fn futures_streams_and_builders_move_to_a_task() {
    moved::<(CallFuture<doc::GetObject>, CallFuture<As<Value>>, CallFuture<Untouched>, Sent, Answering)>();
    moved::<(Layouts<generic_object::GetLayout>, Layouts<As<Value>>, Live<Value>, Pages, Pivots)>();
    moved::<(Rows<Value>, Reload, Reloading, SessionBuilder)>();
}

#[test]
fn services_of_layers_can_be_named() {
    service::<Calls>();
    service::<Around<Retry, Around<Limit, Calls>>>();
}

/// Never run: that it compiles is the test.
#[expect(dead_code, reason = "that it compiles is the test")]
fn calls_are_spawned(session: &Session, doc: &Doc, object: &GenericObject) {
    spawned(doc.get_object("x"));
    spawned(doc.get_object("x").raw());
    spawned(object.get_layout());
    spawned(object.get_layout().value().into_future());
    spawned(object.get_layout().call_into::<Value>());
    spawned(session.call::<Value>(object.handle(), "GetLayout", &[(); 0]));
    spawned(session.open_app("x"));
    spawned(doc.reload().start());
}
