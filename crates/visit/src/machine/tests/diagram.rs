//! The diagrams of `docs/visit.md`: every stage that a run of the machine can reach, and what leads from
//! one to the next. Found by walking the machine itself, and held against the committed file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/visit.md");
const BEGIN: &str = "<!-- made by `UPDATE=1 cargo test -p bedside-visit diagram` -->\n";
const END: &str = "<!-- until here -->\n";

/// The two people, each with a page.
const PAGES: [(u128, &str, ConnectionId); 2] = [(1, "patient", PATIENT), (2, "provider", PROVIDER)];

/// Who does it (none: time), in words, and what.
type Cause = (Option<usize>, &'static str, Input);

fn causes(visit: &Visit) -> Vec<Cause> {
    let mut causes: Vec<Cause> = vec![(None, "time passes", Input::Timeout)];
    let commands = [
        ("enter", Command::Enter),
        ("rejoin", Command::Rejoin),
        ("leave", Command::Leave),
        ("decline", Command::Decline),
        ("start", Command::Start),
        ("cancel", Command::Cancel),
        ("keep_waiting", Command::KeepWaiting),
        ("mark_missed", Command::MarkMissed),
        ("end", Command::End),
    ];
    for (who, (n, _, connection)) in PAGES.into_iter().enumerate() {
        let seat = &visit.seats[who];
        if seat.connection().is_some() {
            causes.push((Some(who), "connection drops", Input::Disconnected { connection, goodbye: false }));
            causes.push((Some(who), "page closes", Input::Disconnected { connection, goodbye: true }));
            for (name, command) in &commands {
                let id = CommandId::try_from(format!("{name}-{n}")).expect("plain");
                causes.push((Some(who), name, Input::Command { connection, id, command: command.clone() }));
            }
        } else {
            let page = PageId::try_from(format!("page-{n}")).expect("plain");
            let arrival = Arrival { user: user(n), name: "N".into(), role: seat.role, page, after: None, session: 1 };
            causes.push((Some(who), "connection returns", Input::Connected { arrival, connection }));
        }
        causes.push((Some(who), "media carries", Input::MediaUp { user: user(n) }));
        causes.push((Some(who), "media lost", Input::MediaLost { user: user(n) }));
    }
    causes
}

/// What tells states apart, without the moments at which they began.
fn key(visit: &Visit) -> String {
    let seats: Vec<_> = visit.seats.iter().map(|seat| (seat.attendance, seat.connection(), seat.media)).collect();
    let whole = format!("{:?} {:?} {:?} {:?}", visit.phase, visit.ring, visit.connected.is_some(), seats);
    whole.split(|c: char| c.is_ascii_digit()).collect()
}

fn stage_name(visit: &Visit, who: usize) -> String {
    let stage = serde_json::to_value(visit.view(user(PAGES[who].0)).expect("a seat").stage).expect("it serializes");
    stage["name"].as_str().expect("a name").to_owned()
}

type Edges = BTreeMap<(String, String), BTreeSet<String>>;

/// Every edge between the stages that each of the two sees.
fn walk() -> [Edges; 2] {
    let mut edges = [Edges::new(), Edges::new()];
    let mut first = Scene::new();
    first.connect(PATIENT).connect(PROVIDER);
    let mut queue = VecDeque::from([(first.visit, T0)]);
    let mut seen = BTreeSet::new();
    while let Some((visit, now)) = queue.pop_front() {
        if !seen.insert(key(&visit)) {
            continue;
        }
        for (who, what, input) in causes(&visit) {
            let mut next = visit.clone();
            // The next deadline, so that time changes something; otherwise the same moment.
            let at = if who.is_some() { now } else { next.next_deadline().unwrap_or(now) };
            let fresh = VisitId::new(Uuid::from_u128(seen.len() as u128 + 1_000));
            // Each walk sends each command once: nothing is remembered as done.
            next.seats.iter_mut().for_each(|seat| seat.forget_commands());
            next.handle(Context { now: at, fresh }, input);
            while next.poll_output().is_some() {}
            for (viewer, edges) in edges.iter_mut().enumerate() {
                let (from, to) = (stage_name(&visit, viewer), stage_name(&next, viewer));
                if from != to {
                    let label = match who {
                        None => what.to_owned(),
                        Some(who) if who == viewer => what.to_owned(),
                        Some(who) => format!("{} {what}", PAGES[who].1),
                    };
                    edges.entry((from, to)).or_default().insert(label);
                }
            }
            // The door closes in the end; what is after it is not drawn.
            if at < visit.closes {
                queue.push_back((next, at));
            }
        }
    }
    edges
}

fn generate() -> String {
    let mut text = BEGIN.to_owned();
    for (edges, (_, name, _)) in walk().iter().zip(PAGES) {
        let _ = writeln!(text, "\nWhat the {name} sees:\n\n```mermaid\nstateDiagram-v2");
        for ((from, to), labels) in edges {
            let labels = labels.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "    {from} --> {to}: {labels}");
        }
        let _ = writeln!(text, "```");
    }
    text + "\n" + END
}

#[test]
fn the_documents_diagrams_are_the_machines() {
    let document = std::fs::read_to_string(FILE).expect("docs/visit.md");
    let (before, rest) = document.split_once(BEGIN).expect("the place of the diagrams");
    let (_, after) = rest.split_once(END).expect("its end");
    let fresh = format!("{before}{}{after}", generate());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &fresh).expect("write the diagrams");
    } else {
        assert!(document == fresh, "docs/visit.md is stale: run UPDATE=1 cargo test -p bedside-visit diagram");
    }
}
