//! Metrics, and who may read them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bedside::config::Network;
use bedside_visit::signalling::Command;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;

use crate::canary::Media;
use crate::support::{Page, Reply, Server, When, soon};

const TOKEN: &str = "aLongTokenOfLettersAndDigits";

/// The metrics as served.
struct Read(String);

impl Read {
    async fn of(server: &Server) -> Self {
        let reply = server.client().get("/metrics").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(
            reply.header("content-type"),
            Some("application/openmetrics-text; version=1.0.0; charset=utf-8"),
            "{}",
            reply.body
        );
        assert!(reply.body.ends_with("\n# EOF\n"), "{}", reply.body);
        Self(reply.body)
    }

    /// Reads until the condition holds: counters are up to a second behind.
    async fn until(server: &Server, what: &str, so: impl Fn(&Self) -> bool) -> Self {
        soon(what, async {
            loop {
                let read = Self::of(server).await;
                if so(&read) {
                    return read;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    /// Returns the value of one series, written with its labels.
    fn value(&self, series: &str) -> f64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {series} in:\n{}", self.0));
        value.parse().expect("a number")
    }

    /// Returns the sum of all series of a name.
    fn sum(&self, name: &str) -> f64 {
        let series = self.samples().filter(|(found, ..)| *found == name);
        series.map(|(.., value)| value).sum()
    }

    /// Returns the name, labels and value of each series.
    fn samples(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        self.0.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            (name, labels.trim_end_matches('}'), value.parse().expect("a number"))
        })
    }

    /// Returns the name of each metric as used in queries, with its type.
    fn served(&self) -> BTreeMap<String, String> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types
            .map(|(name, kind)| {
                let name = match kind {
                    "counter" => format!("{name}_total"),
                    "info" => format!("{name}_info"),
                    _ => name.to_owned(),
                };
                (name, kind.to_owned())
            })
            .collect()
    }

    /// Returns the labels of a metric, without the bounds of histograms.
    fn labels(&self, name: &str) -> BTreeSet<String> {
        let of_histogram = format!("{name}_bucket");
        let of_it = self.samples().filter(|(found, ..)| *found == name || *found == of_histogram);
        let labels = of_it.flat_map(|(_, labels, _)| labels.split("\",").filter(|label| !label.is_empty()));
        let names = labels.map(|label| label.split('=').next().expect("a name").to_owned());
        names.filter(|name| name != "le").collect()
    }
}

/// Returns a response without the parts that differ between requests.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    // Both differ with every request.
    let headers = reply.headers.iter().filter(|(name, _)| *name != "date" && *name != "x-request-id");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    (reply.status, headers.collect(), reply.body.clone())
}

#[tokio::test]
async fn metrics_are_not_found_without_permission() {
    let proxy = |text: &str| Network::try_from(text.to_owned()).expect("an address");
    let behind_a_proxy = Server::start_with(|config| config.server.trusted_proxies = vec![proxy("127.0.0.1")]).await;
    let closed = Server::start_with(|config| {
        config.metrics.loopback = false;
        config.metrics.token = Some(SecretString::from(TOKEN));
    })
    .await;
    // A TLS-terminating proxy that is not declared and does not mark what it forwards.
    let unnamed = Server::start_with(|config| {
        config.server.public_url = "https://visits.example.org".to_owned();
        config.metrics.token = Some(SecretString::from(TOKEN));
    })
    .await;
    for (server, header) in [
        (&behind_a_proxy, ("x-forwarded-for", "198.51.100.7")),
        (&behind_a_proxy, ("x-forwarded-for", "127.0.0.1")),
        (&behind_a_proxy, ("forwarded", "for=127.0.0.1")),
        (&behind_a_proxy, ("x-real-ip", "127.0.0.1")),
        (&closed, ("accept", "*/*")),
        (&closed, ("authorization", "Bearer aLongTokenOfLettersAndDigitt")),
        (&unnamed, ("accept", "*/*")),
    ] {
        for accept in ["text/html", "*/*"] {
            let ask = |path: &'static str| {
                let client = server.client();
                async move {
                    let request = client.request(Method::GET, path).header("accept", accept);
                    request.header(header.0, header.1).send().await
                }
            };
            assert_eq!(seen(&ask("/metrics").await), seen(&ask("/nothing").await), "{header:?} {accept}");
        }
    }
    for server in [&closed, &unnamed] {
        let request = server.client();
        let request = request.request(Method::GET, "/metrics").header("x-forwarded-for", "198.51.100.7");
        let reply = request.header("authorization", &format!("Bearer {TOKEN}")).send().await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    let open = Server::start().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let ask = async |path: &str| open.client().request(method.clone(), path).send().await;
        let (here, nowhere) = (ask("/metrics").await, ask("/nothing").await);
        assert_eq!((here.status, here.body), (nowhere.status, nowhere.body), "{method}");
    }
}

#[tokio::test]
async fn a_token_from_a_file_lets_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let server = Server::start_with(|config| {
        config.metrics.loopback = false;
        config.metrics.token_file = Some(file);
    })
    .await;
    assert_eq!(server.client().get("/metrics").await.status, 404);
    assert_eq!(server.client().with_token(TOKEN).get("/metrics").await.status, 200);
}

/// Runs a visit, from a wrong password to flowing media.
async fn a_visit(server: &Server) -> (Page, Page, Media) {
    server.client().try_sign_in("ada@example.org", "not the password").await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    assert_eq!(ada.get(&format!("/appointment/{}", visit.id)).await.status, 200);
    assert_eq!(ada.get("/nothing/of/the/kind").await.status, 404);
    ada.request(Method::from_bytes(b"BREW").expect("a method"), "/").send().await;
    let mut patients = Page::open(server, &ada, visit.id).await;
    let providers = Page::open(server, &grace, visit.id).await;
    patients.command(Command::Enter).await.expect("in");
    let (media, _) = Media::connect(&mut patients).await;
    patients.until("media", |view| view.you.media).await;
    (patients, providers, media)
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::start().await;
    let (patients, mut providers, media) = a_visit(&server).await;
    // The counters of a worker may be older than its first packet.
    let has_media =
        |read: &Read| read.sum("bedside_media_peers") == 1.0 && read.sum("bedside_media_received_packets_total") > 0.0;
    let read = Read::until(&server, "a peer and its packets", has_media).await;
    assert_eq!(read.value(r#"bedside_sign_ins_total{way="password",outcome="in"}"#), 2.0);
    assert_eq!(read.value(r#"bedside_sign_ins_total{way="password",outcome="refused"}"#), 1.0);
    assert_eq!(read.value(r#"bedside_sign_ins_total{way="link",outcome="in"}"#), 0.0);
    assert_eq!(read.value("bedside_websockets"), 2.0);
    assert!(read.value("bedside_connections") >= 2.0);
    assert_eq!(read.value("bedside_patients_waiting"), 1.0);
    assert_eq!(read.value(r#"bedside_visits{stage="idle"}"#), 1.0);
    assert_eq!(read.value(r#"bedside_joins_total{outcome="up"}"#), 1.0);
    assert_eq!(read.value("bedside_join_duration_seconds_count"), 1.0);
    assert_eq!(read.value(r#"bedside_join_duration_seconds_bucket{le="+Inf"}"#), 1.0);
    assert!(read.sum("bedside_media_received_packets_total") > 0.0);
    assert!(read.sum("bedside_media_worker_busy_seconds_total") > 0.0);
    assert!(read.value("bedside_store_commit_seconds_count") > 0.0);
    let page = r#"bedside_http_requests_total{route="/appointment/{id}",method="GET",status="2xx"}"#;
    assert_eq!(read.value(page), 1.0);
    assert_eq!(read.value(r#"bedside_http_requests_total{route="none",method="GET",status="4xx"}"#), 1.0);
    assert_eq!(read.value(r#"bedside_http_requests_total{route="/",method="other",status="4xx"}"#), 1.0);
    assert_eq!(read.value(r#"bedside_http_request_duration_seconds_count{route="/appointment/{id}"}"#), 1.0);

    providers.command(Command::Start).await.expect("started");
    let read =
        Read::until(&server, "connected", |read| read.value(r#"bedside_visits{stage="connected"}"#) == 1.0).await;
    assert_eq!(read.value("bedside_patients_waiting"), 0.0);
    drop((patients, media));
    Read::until(&server, "fewer pages", |read| read.value("bedside_websockets") == 1.0).await;
}

/// Personal data must not occur in labels or anywhere else.
#[tokio::test]
async fn metrics_contain_no_personal_data() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let link = server.link(visit.id).await.replace(&server.origin, "");
    server.client().join_by_link(&format!("{}{link}", server.origin)).await;
    let (mut patients, mut providers, media) = a_visit(&server).await;
    providers.command(Command::Start).await.expect("started");
    patients.until("started", |view| view.others.len() == 1).await;
    let read = Read::of(&server).await;
    let token = link.rsplit('/').next().expect("a token");
    let people = [&server.patient, &server.provider];
    let ids = people.map(|person| person.id().to_string());
    let visits = [patients.view.visit.to_string(), visit.id.to_string()];
    let words = people.iter().flat_map(|person| [person.name(), person.email.as_str()]);
    let words = words.chain(ids.iter().chain(&visits).map(String::as_str)).chain([token, "127.0.0", "localhost"]);
    for word in words {
        let line = read.0.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word}");
    }
    for (_, labels, _) in read.samples() {
        let numbers = labels.chars().filter(char::is_ascii_digit).count();
        assert!(labels.contains("le=") || labels.contains("version=") || numbers <= 2, "{labels}");
    }
    drop(media);
}

const BOARD: &str = include_str!("../../../../docs/grafana/bedside.json");
const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

/// Returns the metric names in a Prometheus expression.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("bedside_") || word.starts_with("process_")).map(str::to_owned).collect()
}

fn panels(of: &Value) -> Vec<&Value> {
    let panels = of["panels"].as_array().map(Vec::as_slice).unwrap_or_default();
    panels.iter().flat_map(|panel| [vec![panel], self::panels(panel)].concat()).collect()
}

#[tokio::test]
async fn the_board_shows_what_is_served() {
    let server = Server::start().await;
    let everything = a_visit(&server).await;
    let read = Read::until(&server, "a peer", |read| read.sum("bedside_media_peers") == 1.0).await;
    let mut served = BTreeSet::new();
    for (name, kind) in read.served() {
        if kind == "histogram" {
            served.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        } else {
            served.insert(name);
        }
    }
    let board: Value = serde_json::from_str(BOARD).expect("JSON");
    let panels = panels(&board);
    let rows: Vec<&str> =
        panels.iter().filter(|panel| panel["type"] == "row").filter_map(|row| row["title"].as_str()).collect();
    let expected = ["Visits", "Joins", "Media quality", "Drops", "Worker load", "HTTP", "Database", "Process"];
    assert_eq!(rows, [expected.as_slice(), &["Health and background work"]].concat());
    let (mut asked, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in &panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "duplicate ID: {}", panel["id"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let names = names(target["expr"].as_str().expect("an expression"));
            assert!(!names.is_empty() && target["datasource"]["uid"] == "${datasource}", "{target}");
            asked.extend(names);
        }
    }
    let variables = board["templating"]["list"].as_array().expect("variables");
    assert_eq!(variables.len(), 1);
    assert_eq!((&variables[0]["type"], &variables[0]["name"]), (&"datasource".into(), &"datasource".into()));
    assert!(asked.len() > 30, "{asked:?}");
    assert_eq!(asked.difference(&served).collect::<Vec<_>>(), Vec::<&String>::new(), "all queried metrics are served");
    drop(everything);
}

#[tokio::test]
async fn every_metric_is_documented_and_none_besides() {
    let server = Server::start().await;
    let everything = a_visit(&server).await;
    let read = Read::until(&server, "a peer", |read| read.sum("bedside_media_peers") == 1.0).await;
    let (_, table) = DOCUMENT.split_once("## Metrics\n").expect("a section");
    let (table, _) = table.split_once("\n## ").expect("the next one");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeMap<String, (String, BTreeSet<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [name, kind, labels, meaning, ""] = cells.as_slice() else { panic!("{row}") };
            let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert!(!meaning.is_empty(), "{row}");
            (name.trim_end_matches('`').to_owned(), ((*kind).to_owned(), labels))
        })
        .collect();
    let served = read.served().into_iter().map(|(name, kind)| {
        let labels = read.labels(&name);
        (name, (kind, labels))
    });
    let served: BTreeMap<_, _> = served.collect();
    assert_eq!(documented, served);
    drop(everything);
}
