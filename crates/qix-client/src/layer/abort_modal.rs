//! A way out of another object's modal state.

use std::sync::Arc;

use bytes::Bytes;
use qix_protocol::{Answer, ErrorCode};
use tower::{Layer, ServiceExt};

use crate::{
    Error, Object, Request,
    layer::{
        CallService,
        around::{Around, Deadline, Handle},
    },
    request::Target,
};

/// Ends the modal state of another object when a call is refused because of it (error 6003), and makes the call once more.
///
/// A refused call has changed nothing, so it may be any. `AbortModal` goes to the open app and keeps what was selected in the modal
/// state, unless it was [told to discard](Self::discarding) that. All of it together keeps to the call's timeout, if it has one.
///
/// ```
/// use qix_client::{SessionConfig, layer::AbortModal};
///
/// let config = SessionConfig::default().layer(AbortModal::new());
/// ```
#[derive(Clone, Debug)]
pub struct AbortModal {
    accept: bool,
}

impl AbortModal {
    /// Keeps the selections that were made in the modal state.
    pub fn new() -> Self {
        Self { accept: true }
    }

    /// Takes back the selections that were made in the modal state.
    pub fn discarding() -> Self {
        Self { accept: false }
    }
}

impl Default for AbortModal {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: CallService> Layer<S> for AbortModal {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl Handle for AbortModal {
    async fn handle<S: CallService>(self: Arc<Self>, request: Request, next: S) -> Result<Answer, Error> {
        let deadline = Deadline::of(&request);
        let refused = match next.clone().oneshot(request.clone()).await {
            Err(error) if is_modal(&error) && request.method() != "AbortModal" => error,
            outcome => return outcome,
        };
        let Some(doc) = Object::doc(request.session()) else { return Err(refused) };
        let params = Bytes::from_static(if self.accept { b"[true]" } else { b"[false]" });
        let mut abort = Request::new(Target::Object(doc), "AbortModal".into(), params);
        if !deadline.limit(&mut abort) || next.clone().oneshot(abort).await.is_err() {
            return Err(refused);
        }
        let mut again = request.again();
        if !deadline.limit(&mut again) {
            return Err(refused);
        }
        next.oneshot(again).await
    }
}

fn is_modal(error: &Error) -> bool {
    error.is_refusal(ErrorCode::HC_MODAL_OBJECT_ERROR)
}
