//! The parameters of a live request, from those of the recorded one.

use std::collections::HashMap;

use bytes::Bytes;
use memchr::memmem;
use qix_protocol::{
    Handle, RequestId, Tree,
    frame::{Raw, client::Head, members},
};

use super::RedriveSettings;
use crate::{calls::Asked, compare::Ids, record::MASK};

/// Methods whose first parameter is the id of another request.
const OF_REQUESTS: [&str; 5] =
    ["AbortRequest", "CancelRequest", "GetInteract", "GetProgress", "InteractDone"];
/// An id that no request has.
const NO_REQUEST: &str = "0";

/// Returns whether parameters have secrets in them that the recording does not have, and that cannot be left empty.
pub(super) fn are_masked(asked: &Asked) -> bool {
    let masked = |params: &Bytes| memmem::find(params, MASK.as_bytes()).is_some();
    !opens(asked) && asked.params.as_ref().is_some_and(masked)
}

fn opens(asked: &Asked) -> bool {
    asked.handle == Handle::GLOBAL && asked.method == "OpenDoc"
}

/// Returns the parameters as they are to be sent: with the live ids of requests and of what the engine has made, and other apps.
pub(super) fn live(
    asked: &Asked,
    ids: &Ids,
    requests: &HashMap<Bytes, u64>,
    settings: &RedriveSettings,
) -> Bytes {
    let Some(params) = &asked.params else { return Bytes::from_static(b"[]") };
    let is_global = asked.handle == Handle::GLOBAL;
    let names_request = is_global && OF_REQUESTS.contains(&&*asked.method);
    let opens = opens(asked);
    let mut text = ids.as_live(params).map_or_else(|| params.clone(), Bytes::from);
    let replaces_apps = is_global && !settings.apps.is_empty();
    if (names_request || opens || replaces_apps)
        && let Ok(mut tree) = Tree::parse(&text)
    {
        for at in 0..tree.len() {
            let name = tree.members().nth(at).map(|(name, _)| name.into_owned());
            let value = match &name {
                Some(name) => tree.member_mut(name),
                None => tree.element_mut(at),
            };
            let Some(value) = value else { continue };
            if names_request && name.as_deref().map_or(at == 0, |name| name == "qRequestId") {
                let id = value.scalar().and_then(|id| requests.get(id.as_bytes()));
                let id = id.map_or_else(|| NO_REQUEST.to_owned(), u64::to_string);
                *value = Tree::parse(id.as_bytes()).unwrap_or_default();
            } else if opens && value.as_str().is_some_and(|text| text == MASK) {
                // Who the user is, the connection says.
                *value = Tree::string("");
            } else if let Some(other) = value.as_str().and_then(|app| settings.other_app(&app)) {
                *value = Tree::string(other);
            }
        }
        text = tree.to_string().into();
    }
    text
}

/// Writes a request to the live engine. Members that are no part of the protocol, which some clients send, are kept.
pub(super) fn request(asked: &Asked, id: u64, to: Handle, params: &[u8]) -> Option<Bytes> {
    const OURS: [&str; 7] = ["jsonrpc", "id", "handle", "method", "params", "delta", "outKey"];
    let mut text = Vec::new();
    let head = Head { id: RequestId::new(id), to, method: &asked.method, delta: false };
    head.write_raw(&mut text, Raw::new(params).ok()?);
    for (name, value) in members(Raw::new(&asked.text).ok()?).filter(|(name, _)| !OURS.contains(&&**name)) {
        text.pop();
        text.push(b',');
        Tree::string(&name).write(&mut text);
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.push(b'}');
    }
    Some(text.into())
}
