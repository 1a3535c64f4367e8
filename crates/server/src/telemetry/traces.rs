//! OpenTelemetry traces of how pages join media, sent to an OTLP collector if one is configured.
//!
//! Spans are created directly with the OpenTelemetry API and not from log events, so a trace contains only the
//! attributes set here and no personal data. A journey identifies the trace and the page's span in it. The page
//! passes it on in the URL of its WebSocket.

use std::fmt;
use std::time::{Duration, SystemTime};

use bedside_visit::{Role, Timestamp};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};

use crate::config::TracingConfig;
use crate::telemetry::metrics::Joined;

/// How long sending the last spans may take at shutdown.
const GOODBYE: Duration = Duration::from_secs(3);

/// The trace context of a page that joins media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    trace: TraceId,
    span: SpanId,
}

/// The trace exporter, if one is configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces(Option<(SdkTracerProvider, SdkTracer)>);

/// The span of a page request.
pub(crate) struct PageSpan(Span);

/// When the stages of a media connection took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JoinTimes {
    /// When the page opened its WebSocket, if this is the first offer after that; otherwise the same as `offered`.
    pub(crate) begun: Timestamp,
    pub(crate) offered: Timestamp,
    /// When the answer was sent. `None` if it never was.
    pub(crate) answered: Option<Timestamp>,
    /// When media could flow, or the attempt failed.
    pub(crate) ended: Timestamp,
}

impl Traces {
    /// Sets up the exporter.
    ///
    /// # Errors
    /// One sentence that names the setting.
    pub(crate) fn new(config: &TracingConfig) -> Result<Self, String> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(Self::default()) };
        let failed = |error| format!("tracing.otlp_endpoint: {error}");
        let exporter = SpanExporter::builder().with_http().with_endpoint(format!("{endpoint}/v1/traces"));
        let resource = Resource::builder()
            .with_service_name("bedside")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.build().map_err(failed)?)
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("bedside");
        Ok(Self(Some((provider, tracer))))
    }

    /// Starts a trace for a page request that arrived at `asked`.
    pub(crate) fn begin(&self, role: Role, asked: Timestamp) -> Option<PageSpan> {
        let (_, tracer) = self.0.as_ref()?;
        let builder = builder("page", asked, role).with_kind(SpanKind::Server);
        Some(PageSpan(tracer.build_with_context(builder, &Context::new())))
    }

    /// Records that the page's WebSocket was requested at `from` and connected to the visit at `until`.
    pub(crate) fn hello(&self, journey: Option<TraceContext>, role: Role, (from, until): (Timestamp, Timestamp)) {
        let Some((_, tracer)) = &self.0 else { return };
        let builder = builder("hello", from, role).with_kind(SpanKind::Server);
        let mut span = tracer.build_with_context(builder, &context_of(journey));
        span.end_with_timestamp(time(until));
    }

    /// Records the outcome of joining media.
    pub(crate) fn join(&self, journey: Option<TraceContext>, role: Role, outcome: Joined, times: &JoinTimes) {
        let Some((_, tracer)) = &self.0 else { return };
        let JoinTimes { begun, offered, answered, ended } = *times;
        let mut join = tracer.build_with_context(builder("join", begun, role), &context_of(journey));
        join.set_attribute(KeyValue::new("outcome", outcome.as_str()));
        if outcome != Joined::Up {
            join.set_status(Status::error(outcome.as_str()));
        }
        let within = Context::new().with_remote_span_context(join.span_context().clone());
        let part = |name, from, until| {
            let mut span = tracer.build_with_context(builder(name, from, role), &within);
            span.end_with_timestamp(time(until));
        };
        part("offer/answer", offered, answered.unwrap_or(ended));
        if let Some(answered) = answered {
            part("ICE/DTLS", answered, ended);
        }
        join.end_with_timestamp(time(ended));
    }

    /// Sends the remaining spans at shutdown.
    pub(crate) async fn stop(&self) {
        let Some((provider, _)) = self.0.clone() else { return };
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(GOODBYE)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "cannot send the remaining traces");
        }
    }
}

impl PageSpan {
    /// Returns the trace context that the page passes on when it connects.
    pub(crate) fn journey(&self) -> TraceContext {
        let context = self.0.span_context();
        TraceContext { trace: context.trace_id(), span: context.span_id() }
    }

    /// Ends the span of the page request.
    pub(crate) fn end(mut self, at: Timestamp) {
        self.0.end_with_timestamp(time(at));
    }
}

impl TraceContext {
    /// Parses the displayed form. Returns `None` if it is invalid.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (trace, span) = text.split_once('-')?;
        let hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let journey = Self {
            trace: TraceId::from_hex(trace).ok().filter(|_| hex(trace, 32))?,
            span: SpanId::from_hex(span).ok().filter(|_| hex(span, 16))?,
        };
        (journey.trace != TraceId::INVALID && journey.span != SpanId::INVALID).then_some(journey)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.trace, self.span)
    }
}

fn builder(name: &'static str, from: Timestamp, role: Role) -> SpanBuilder {
    let role = KeyValue::new("role", role.as_str());
    SpanBuilder::from_name(name).with_start_time(time(from)).with_attributes([role])
}

/// Returns a context within the page's span, or an empty context, which starts a new trace.
fn context_of(journey: Option<TraceContext>) -> Context {
    let Some(TraceContext { trace, span }) = journey else { return Context::new() };
    let page = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
    Context::new().with_remote_span_context(page)
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_is_read_as_it_is_written_and_nothing_else_is_one() {
        let text = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        assert_eq!(TraceContext::parse(text).expect("a journey").to_string(), text);
        for other in [
            "",
            "-",
            "0af7651916cd43dd8448eb211c80319c",
            "0af7651916cd43dd8448eb211c80319c-b7ad6b716920333",
            "+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00000000000000000000000000000000-b7ad6b7169203331",
            "0af7651916cd43dd8448eb211c80319c-0000000000000000",
        ] {
            assert_eq!(TraceContext::parse(other), None, "{other}");
        }
    }
}
