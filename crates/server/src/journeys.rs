//! Traces of how pages come to their media, for a collector of OpenTelemetry, where one is configured.
//!
//! Made with its API alone, and not from what is logged: so a trace has what is put into it here, and nothing of people's.
//! A journey is the random name of a trace and of the page's span in it; it travels with the page, in the address of its
//! WebSocket.

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
use crate::metrics::Joined;

/// How long the last spans may take to be sent when the program stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// A page's way to its media, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Journey {
    trace: TraceId,
    span: SpanId,
}

/// Where journeys are told, if they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journeys(Option<(SdkTracerProvider, SdkTracer)>);

/// A page that is being made.
pub(crate) struct PageSpan(Span);

/// When a page's media connection came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JoinTimes {
    /// When the page said hello, if this is what it said hello for; else as `offered`.
    pub(crate) begun: Timestamp,
    pub(crate) offered: Timestamp,
    /// When the page was told the answer; absent if it never was.
    pub(crate) answered: Option<Timestamp>,
    /// When its media could flow, or it was clear that they would not.
    pub(crate) ended: Timestamp,
}

impl Journeys {
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

    /// Begins a journey with a page, which was asked for at that time.
    pub(crate) fn begin(&self, role: Role, asked: Timestamp) -> Option<PageSpan> {
        let (_, tracer) = self.0.as_ref()?;
        let builder = builder("page", asked, role).with_kind(SpanKind::Server);
        Some(PageSpan(tracer.build_with_context(builder, &Context::new())))
    }

    /// The page has connected: its WebSocket was asked for at one time, and the visit knew of it at the other.
    pub(crate) fn hello(&self, journey: Option<Journey>, role: Role, (from, until): (Timestamp, Timestamp)) {
        let Some((_, tracer)) = &self.0 else { return };
        let builder = builder("hello", from, role).with_kind(SpanKind::Server);
        let mut span = tracer.build_with_context(builder, &context_of(journey));
        span.end_with_timestamp(time(until));
    }

    /// The page has its media, or will not have them.
    pub(crate) fn join(&self, journey: Option<Journey>, role: Role, outcome: Joined, times: &JoinTimes) {
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

    /// Sends what has not been sent, for a program that stops.
    pub(crate) async fn stop(&self) {
        let Some((provider, _)) = self.0.clone() else { return };
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(GOODBYE)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl PageSpan {
    /// What the page is to say of itself as it connects.
    pub(crate) fn journey(&self) -> Journey {
        let context = self.0.span_context();
        Journey { trace: context.trace_id(), span: context.span_id() }
    }

    /// The page has been made.
    pub(crate) fn end(mut self, at: Timestamp) {
        self.0.end_with_timestamp(time(at));
    }
}

impl Journey {
    /// As it is displayed; `None` if it is none.
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

impl fmt::Display for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.trace, self.span)
    }
}

fn builder(name: &'static str, from: Timestamp, role: Role) -> SpanBuilder {
    let role = KeyValue::new("role", role.as_str());
    SpanBuilder::from_name(name).with_start_time(time(from)).with_attributes([role])
}

/// Within a page's span; of its own, where the page does not say which.
fn context_of(journey: Option<Journey>) -> Context {
    let Some(Journey { trace, span }) = journey else { return Context::new() };
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
        assert_eq!(Journey::parse(text).expect("a journey").to_string(), text);
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
            assert_eq!(Journey::parse(other), None, "{other}");
        }
    }
}
