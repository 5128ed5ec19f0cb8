//! Layers around the calls of a session: retries, deadlines, limits, figures, and what you write yourself.
//!
//! A layer is a [`tower::Layer`] over a service from [`Request`](crate::Request) to [`Answer`], the innermost of which hands
//! the request to the session's socket. They are added with [`SessionConfig::layer`](crate::SessionConfig::layer) and see every call
//! of the session, typed or by name. The first added is the outermost. A session without layers has nothing of them on the way of its
//! calls; each layer costs a call about two small allocations (`ConcurrencyLimit` a task), unless several are put together by [`tower::ServiceBuilder`] or
//! [`Stack`](tower::layer::util::Stack) before they are added.
//!
//! | layer | does |
//! |---|---|
//! | [`RetryAborted`] | makes calls that only read again when the engine has aborted them (error 15) |
//! | [`AbortModal`] | ends the modal state of another object that stands in the way (error 6003) |
//! | [`Timeout`] | sets deadlines by what kind of call it is |
//! | [`ConcurrencyLimit`] | bounds how many calls are in the engine at once |
//! | [`Metrics`] | says of each call when it was made, written, answered and taken up again, and how large it was |
//! | [`Tracing`] | makes a span of each call |
//!
//! A good order, from the outside: `Tracing`, `Metrics`, `Timeout`, `RetryAborted`, `AbortModal`, `ConcurrencyLimit`. With `Timeout`
//! inside of `RetryAborted` each try has the whole time.
//!
//! A layer that makes calls of its own hands their [requests](crate::Call::into_request) to what is inside of it. Through the session
//! they would come back to the layer itself, and would have to wait at a `ConcurrencyLimit` for the call that waits for them.
//!
//! When a call's future is dropped, so is what its layers are doing, and the innermost sends `CancelRequest`. A call that was
//! [detached](crate::Call::detach) goes on through its layers as a task. `CancelRequest` itself, when it is sent for a dropped call, and
//! the destruction of session objects that nobody holds any more, do not pass through layers.
//!
//! # Examples
//!
//! One of your own:
//!
//! ```
//! use qix_client::{SessionConfig, layer};
//!
//! let config = SessionConfig::default().layer(layer::from_fn(|request, next| async move {
//!     let method = request.method().to_owned();
//!     let answer = next.call(request).await;
//!     println!("{method}: {}", if answer.is_ok() { "done" } else { "failed" });
//!     answer
//! }));
//! ```

mod abort_modal;
mod around;
mod concurrency_limit;
mod from_fn;
mod metrics;
mod retry_aborted;
mod spans;
mod stack;
mod timeout;

use std::pin::Pin;

pub use abort_modal::AbortModal;
pub use around::Around;
pub use concurrency_limit::{ConcurrencyLimit, Limit};
pub use from_fn::{FromFn, Next, from_fn};
pub use metrics::{Measurement, Metrics, Outcome};
pub use qix_protocol::Answer;
pub use retry_aborted::{Retry, RetryAborted};
pub use spans::Tracing;
pub(crate) use stack::Layers;
pub use stack::{CallService, Calls};
pub use timeout::Timeout;
pub use tower::{self, Layer, Service, ServiceExt};

use crate::Error;

/// An answer that is on its way through a layer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;
