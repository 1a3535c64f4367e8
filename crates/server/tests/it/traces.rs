//! Join traces: what an OTLP collector receives about the way from the page to its media.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use bedside_visit::signalling::Command;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::canary::Media;
use crate::support::{Page, Server, When};

/// An OTLP/HTTP collector that records what it receives.
#[derive(Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::<Mutex<Vec<Bytes>>>::default();
        let keep = Arc::clone(&taken);
        let take = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers.get("content-type").expect("a type"), "application/x-protobuf");
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        };
        let app = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, taken }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns everything that arrived, unparsed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = taken.iter().map(|body| ExportTraceServiceRequest::decode(&**body).expect("OTLP"));
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// Without a configured collector nothing is sent, and pages contain no trace ID.
#[tokio::test]
async fn nothing_is_traced_unless_it_is_asked_for() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let page = ada.get(&format!("/appointment/{}", visit.id)).await;
    assert!(page.body.contains("/signalling\"") && !page.body.contains("journey"), "{}", page.body);
    // An invalid trace ID from a page is ignored.
    let path = format!("/api/appointments/{}/signalling?journey=nonsense", visit.id);
    assert!(Page::try_open(&server, &ada, &path, Some(&server.origin)).await.is_ok());
}

#[tokio::test]
async fn a_join_is_one_trace_from_the_page_to_its_media() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let server = Server::start_with(|config| config.tracing.otlp_endpoint = Some(endpoint)).await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let page = ada.get(&format!("/appointment/{}", visit.id)).await.body;
    let carried = page.split("<script type=\"application/json\">").nth(1).expect("data");
    let carried: serde_json::Value =
        serde_json::from_str(carried.split("</script>").next().expect("its end")).expect("JSON");
    let path = carried["call"]["signalling"].as_str().expect("a path");
    let mut patients = Page::try_open(&server, &ada, path, Some(&server.origin)).await.expect("it opens");
    patients.command(Command::Enter).await.expect("in");
    let (media, _) = Media::connect(&mut patients).await;
    patients.until("media", |view| view.you.media).await;
    let (people, visit) = ([server.patient.clone(), server.provider.clone()], visit.id.to_string());
    let room = patients.view.visit.to_string();
    drop((patients, media));
    server.stop().await;

    let spans: BTreeMap<String, Span> = collector.spans().into_iter().map(|span| (span.name.clone(), span)).collect();
    let names: Vec<&str> = spans.keys().map(String::as_str).collect();
    assert_eq!(names, ["ICE/DTLS", "hello", "join", "offer/answer", "page"]);
    let parent = |of: &str| {
        let parent = &spans[of].parent_span_id;
        spans.values().find(|span| span.span_id == *parent).map(|span| span.name.as_str())
    };
    assert_eq!(
        ["page", "hello", "join", "offer/answer", "ICE/DTLS"].map(parent),
        [None, Some("page"), Some("page"), Some("join"), Some("join")]
    );
    assert!(spans.values().all(|span| span.trace_id == spans["page"].trace_id && span.trace_id.len() == 16));
    let (join, offer, connect) = (&spans["join"], &spans["offer/answer"], &spans["ICE/DTLS"]);
    assert!(join.start_time_unix_nano <= offer.start_time_unix_nano);
    assert_eq!(offer.end_time_unix_nano, connect.start_time_unix_nano);
    assert_eq!(connect.end_time_unix_nano, join.end_time_unix_nano);
    assert!(spans.values().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano));
    for span in spans.values() {
        let attributes: Vec<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        let known: &[&str] = if span.name == "join" { &["role", "outcome"] } else { &["role"] };
        assert_eq!(attributes, known, "{span:?}");
    }

    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(sent.contains("patient") && sent.contains("bedside"), "{sent}");
    let ids = people.each_ref().map(|person| person.id().to_string());
    let words = people.iter().flat_map(|person| [person.name(), person.email.as_str()]);
    for word in words.chain(ids.iter().map(String::as_str)).chain([&*visit, &*room, "127.0.0.1"]) {
        assert!(!sent.contains(word), "{word}");
    }
}

/// Two pages create two traces, also for one user. Failed connections are reported too.
#[tokio::test]
async fn a_refused_offer_is_told_as_such() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let server = Server::start_with(|config| config.tracing.otlp_endpoint = Some(endpoint)).await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let mut page = Page::open(&server, &ada, visit.id).await;
    page.command(Command::Enter).await.expect("in");
    page.send_text(r#"{"type":"offer","peer":1,"sdp":"v=0"}"#).await;
    page.other().await;
    drop(page);
    server.stop().await;
    let spans = collector.spans();
    let join = spans.iter().find(|span| span.name == "join").expect("a join");
    assert_eq!(join.status.as_ref().expect("a status").message, "refused");
    assert!(!spans.iter().any(|span| span.name == "ICE/DTLS"), "{spans:?}");
    assert!(join.parent_span_id.is_empty(), "the page did not send its span");
}
