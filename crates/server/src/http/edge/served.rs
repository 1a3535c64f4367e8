//! Tracks which connections are idle, that is, have no request in progress.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Request, Response};
use tower_service::Service;

use super::connection_limit::Permit;

/// Service for one connection. It marks the permit as busy while a request is answered, and permanently after an
/// upgrade to a WebSocket (101 Switching Protocols).
#[derive(Debug, Clone)]
pub(crate) struct Served<S> {
    service: S,
    permit: Arc<Permit>,
}

impl<S> Served<S> {
    /// Creates the service. The connection is idle until its first request arrives.
    pub(super) fn new(service: S, permit: Arc<Permit>) -> Self {
        permit.set_idle();
        Self { service, permit }
    }
}

/// Marks the permit as idle again when the request is answered or dropped.
struct Busy(Option<Arc<Permit>>);

impl Busy {
    fn new(permit: &Arc<Permit>) -> Self {
        permit.set_busy();
        Self(Some(Arc::clone(permit)))
    }

    fn for_good(mut self) {
        self.0 = None;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(permit) = &self.0 {
            permit.set_idle();
        }
    }
}

impl<S, B, R> Service<Request<B>> for Served<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let busy = Busy::new(&self.permit);
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if answer.as_ref().is_ok_and(|answer| answer.status().as_u16() == 101) {
                busy.for_good();
            }
            answer
        })
    }
}
