//! From a patient's link to the waiting room: bytes, round trips and seconds.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::figures::{Figures, Sample, number, setting};
use crate::slow_browser::{Conditions, SlowBrowser};
use crate::support::{Server, When};
use crate::window::Window;

const HERE: Conditions = Conditions { name: "this machine", cpu: 1.0, network: None };
const FAST_4G: Conditions = Conditions { name: "CPU x4, fast 4G", cpu: 4.0, network: Some([165.0, 8_100.0, 1_350.0]) };
const FAST_3G: Conditions = Conditions { name: "CPU x4, fast 3G", cpu: 4.0, network: Some([562.0, 1_440.0, 675.0]) };

/// A page's journal. Times are milliseconds since its navigation began, except `origin` and `click`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Journal {
    origin: f64,
    click: Option<f64>,
    painted: Option<f64>,
    marks: BTreeMap<String, f64>,
    busy: f64,
    blocked: f64,
    socket_sent: f64,
    socket_received: f64,
    requests: Vec<Request>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    name: String,
    start_time: f64,
    response_end: f64,
    transfer_size: f64,
    encoded_body_size: f64,
    decoded_body_size: f64,
    redirects: usize,
}

impl Journal {
    async fn of(window: &Window) -> Self {
        window.eval("bedsideJournal.read()").await
    }

    fn at(&self, mark: &str) -> f64 {
        self.marks.get(mark).copied().unwrap_or_else(|| panic!("{mark:?} did not happen: {:?}", self.marks))
    }

    fn bytes(&self) -> f64 {
        self.requests.iter().map(|request| request.transfer_size).sum()
    }

    fn api_bytes(&self) -> f64 {
        self.requests
            .iter()
            .filter(|request| request.name.starts_with("/api/"))
            .map(|request| request.transfer_size)
            .sum()
    }

    /// Returns the number of consecutive round trips: requests that overlap another are not counted; redirects and the
    /// WebSocket handshake are.
    fn waits(&self) -> usize {
        let mut sent: Vec<_> = self.requests.iter().filter(|request| request.transfer_size > 0.0).collect();
        sent.sort_unstable_by(|a, b| a.start_time.total_cmp(&b.start_time));
        let (mut waits, mut until) = (0, f64::NEG_INFINITY);
        for request in sent {
            if request.start_time >= until {
                waits += 1 + request.redirects;
                until = request.response_end;
            }
        }
        waits + usize::from(self.marks.contains_key("socket open"))
    }

    /// Prints the events in order.
    fn print(&self, title: &str) {
        println!("\n{title}:");
        for request in &self.requests {
            println!(
                "  {:>6.0} .. {:>6.0} ms  {} B over the wire, body {} B of {} B  {}",
                request.start_time,
                request.response_end,
                request.transfer_size,
                request.encoded_body_size,
                request.decoded_body_size,
                without_secret(&request.name),
            );
        }
        let mut marks: Vec<_> = self.marks.iter().map(|(name, at)| (*at, name.as_str())).collect();
        marks.extend(self.painted.map(|at| (at, "first contentful paint")));
        marks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        for (at, name) in marks {
            println!("  {at:>6.0} ms  {name}");
        }
        println!("  main thread in tasks over 50 ms: {:.0} ms, of it blocked {:.0} ms", self.busy, self.blocked);
        println!("  WebSocket: {} B sent, {} B received", self.socket_sent, self.socket_received);
    }
}

fn without_secret(name: &str) -> &str {
    name.split('?').next().filter(|path| !path.starts_with("/v/")).unwrap_or("the link")
}

/// The times under one set of conditions.
#[derive(Default)]
struct Times {
    link_painted: Sample,
    click_to_waiting: Sample,
    link_to_waiting: Sample,
    cold_painted: Sample,
    cold_upgraded: Sample,
    cold_answers: Sample,
    cold_waiting: Sample,
    help_opens: Sample,
}

/// A user's first visit: the link, "Join visit" and the waiting room; then another call page on its own, with an empty
/// cache.
async fn visit(browser: &SlowBrowser, server: &Server, conditions: Conditions, times: &mut Times) -> [Journal; 3] {
    let appointment = server.book(When::Now).await;
    let link = server.link(appointment.id).await;
    let person = browser.person().await;

    let window = browser.window(&person, conditions, true).await;
    window.open(&link).await;
    window
        .until("probe.find('Join visit') !== null && bedsideJournal.read().painted !== null", "the link's page")
        .await;
    let invite = Journal::of(&window).await;
    window.press("Join visit").await;
    in_the_waiting_room(&window).await;
    let call = Journal::of(&window).await;
    let click_to_waiting = call.origin + call.at("in the waiting room") - call.click.expect("Join was pressed");
    times.link_painted.extend(invite.painted);
    times.click_to_waiting.add(click_to_waiting);
    times.link_to_waiting.add((invite.painted.unwrap_or_default() + click_to_waiting) / 1000.0);
    window.close().await;

    // Another user's call page on its own: the link's response sets the cookie, and its redirect is not followed.
    let appointment = server.book(When::Now).await;
    let person = browser.person().await;
    let window = browser.window(&person, HERE, true).await;
    window.open(&server.link(appointment.id).await).await;
    window.eval::<bool>("(await fetch(location.href, { method: 'POST', redirect: 'manual' }), true)").await;
    window.close().await;
    let window = browser.window(&person, conditions, false).await;
    window.open(&format!("/video-call/patient?appointmentId={}", appointment.id)).await;
    in_the_waiting_room(&window).await;
    window.until("bedsideJournal.marks['a button answers'] !== undefined", "a button that answers").await;
    let cold = Journal::of(&window).await;
    times.cold_painted.extend(cold.painted);
    times.cold_upgraded.add(cold.at("element upgraded"));
    times.cold_answers.add(cold.at("a button answers"));
    times.cold_waiting.add(cold.at("in the waiting room"));
    times.help_opens.add(press_help(&window).await);
    window.close().await;
    [invite, call, cold]
}

async fn in_the_waiting_room(window: &Window) {
    window.until("window.bedsideJournal?.marks['in the waiting room'] !== undefined", "the waiting room").await;
}

/// Returns the milliseconds from a press on "Help" until its dialog is open and drawn.
async fn press_help(window: &Window) -> f64 {
    window
        .eval::<bool>(
            "(addEventListener('click', (event) => {
                const look = () => {
                    if (![...probe.all()].some((element) => element.matches('dialog[open]'))) return requestAnimationFrame(look);
                    requestAnimationFrame(() => setTimeout(() => (window.bedsideHelp = performance.now() - event.timeStamp), 0));
                };
                look();
            }, { capture: true, once: true }), true)",
        )
        .await;
    window.press("Help").await;
    window.until("window.bedsideHelp !== undefined", "the dialog").await;
    window.eval("window.bedsideHelp").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn from_link_to_waiting_room() {
    let loads = setting("LOADS", 7);
    let mut figures = Figures::new("From link to waiting room");
    let server = Server::start().await;
    let browser = SlowBrowser::launch(&server.origin);
    for conditions in [HERE, FAST_4G, FAST_3G] {
        let mut times = Times::default();
        let mut last = None;
        for _ in 0..loads {
            last = Some(visit(&browser, &server, conditions, &mut times).await);
        }
        let [invite, call, cold] = last.expect("at least one trial");
        if conditions.network.is_none() {
            bytes(&mut figures, &invite, &call, &cold);
        } else {
            invite.print(&format!("{}, the link's page", conditions.name));
            call.print(&format!("{}, the call page after Join", conditions.name));
        }
        cold.print(&format!("{}, the call page on its own, nothing cached", conditions.name));
        report(&mut figures, conditions, &times);
        if let Some([latency, ..]) = conditions.network {
            let waits = invite.waits() + call.waits();
            #[allow(clippy::cast_precision_loss)]
            let seconds = waits as f64 * latency / 1000.0;
            let all = number(times.link_to_waiting.at(0.5));
            figures.add(
                &format!("{}: what dominates", conditions.name),
                format!("{waits} answers in a row, {} s", number(seconds)),
                &format!("of {all} s"),
                1,
                "the link and its files, Join, its redirect, what the call page asks for, the WebSocket's opening; DevTools does not delay WebSocket messages: on a real network the snapshot is no extra wait, coming in is one more",
            );
        }
    }
    figures.table();
    browser.close().await;
    server.stop().await;
}

fn bytes(figures: &mut Figures, invite: &Journal, call: &Journal, cold: &Journal) {
    let how = "transferSize of navigation and resources when the waiting room is there, headers as Chromium counts them (300 B each)";
    let mut add = |what: &str, bytes: f64| figures.add(what, number(bytes.abs() / 1000.0), "kB", 1, how);
    add("bytes: the link's page, nothing cached", invite.bytes());
    add("bytes: the call page after it", call.bytes());
    add("bytes: both, without the call's API", invite.bytes() + call.bytes() - call.api_bytes());
    add("bytes: the call page on its own, nothing cached", cold.bytes());
    add("bytes: of these the call's API", cold.api_bytes());
    let socket = (cold.socket_received + cold.socket_sent) / 1000.0;
    figures.add("bytes: WebSocket until then", number(socket), "kB", 1, "messages both ways, not in the figures above");
    figures.add(
        "requests: the link's page and the call page",
        invite.requests.len() + call.requests.len(),
        "",
        1,
        "and one WebSocket",
    );
}

fn report(figures: &mut Figures, conditions: Conditions, times: &Times) {
    let network = conditions.network.map_or_else(
        || "no throttling".to_owned(),
        |[latency, down, up]| {
            format!("DevTools: {latency:.0} ms to the head of each answer and to the WebSocket's opening, none for its messages; {down:.0}/{up:.0} kbit/s down/up")
        },
    );
    let mut spread = |what: &str, sample: &Sample, unit: &str, how: &str| {
        figures.spread(&format!("{}: {what}", conditions.name), sample, unit, &format!("{how}; {network}"));
    };
    spread(
        "link tapped, its page is painted",
        &times.link_painted,
        "ms",
        "first contentful paint of the link's page, first visit",
    );
    spread(
        "Join pressed, in the waiting room",
        &times.click_to_waiting,
        "ms",
        "click event to data-stage \"waiting\" and own camera playing",
    );
    spread(
        "link tapped, in the waiting room",
        &times.link_to_waiting,
        "s",
        "sum of the two, without the user's time to read and press",
    );
    spread(
        "cold call page: painted",
        &times.cold_painted,
        "ms",
        "first contentful paint since navigation start, nothing cached",
    );
    spread("cold call page: element upgraded", &times.cold_upgraded, "ms", "it has a shadow root, polled every 8 ms");
    spread(
        "cold call page: a button answers",
        &times.cold_answers,
        "ms",
        "first enabled visible button in the element, then an animation frame and a task",
    );
    spread(
        "cold call page: in the waiting room",
        &times.cold_waiting,
        "ms",
        "data-stage \"waiting\" and own camera playing",
    );
    spread(
        "Help pressed, dialog drawn",
        &times.help_opens,
        "ms",
        "input event to the task after the frame with the open dialog",
    );
}
