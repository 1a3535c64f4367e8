//! Memory usage of the program.

use std::time::Duration;

use bedside_visit::Appointment;
use bedside_visit::signalling::{ClientMessage, Command, ServerMessage};
use bedside_visit::view::Stage;

use crate::figures::{Figures, number};
use crate::program::Program;
use crate::support::{Client, Page};

const VISITS: usize = 20;
const SOCKETS: usize = 1_000;

async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// Opens both pages of every visit, enters and starts.
async fn start_all(program: &Program, visits: &[Appointment], patient: &Client, provider: &Client) -> Vec<Page> {
    let mut pages = Vec::new();
    for visit in visits {
        let mut theirs = Page::open(&program.clinic, patient, visit.id).await;
        let mut ours = Page::open(&program.clinic, provider, visit.id).await;
        theirs.command(Command::Enter).await.expect("entered");
        ours.command(Command::Enter).await.expect("entered");
        ours.command(Command::Start).await.expect("started");
        ours.until("connected", |view| matches!(view.stage, Stage::Connected { .. })).await;
        pages.extend([theirs, ours]);
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn memory_of_the_program() {
    let how = "VmRSS of the release program in a separate process";
    let mut figures = Figures::new("Memory");
    let mut program = Program::start().await;
    let rounds = 5;
    let (booked, patient, provider) = program.prepare(VISITS * rounds).await;
    program.send_everyone_there();
    settle().await;
    figures.add("just started", number(program.resident()), "MiB", 1, how);

    let browser = program.clinic.client();
    for (name, value) in patient.cookies() {
        browser.set_cookie(&name, &value);
    }
    for _ in 0..50 {
        for path in ["/healthz".to_owned(), "/".to_owned(), format!("/api/appointments/{}", booked[0].id)] {
            assert_eq!(browser.get(&path).await.status, 200, "{path}");
        }
    }
    settle().await;
    let before = program.resident();
    figures.add("after 150 requests, no visits", number(before), "MiB", 1, how);

    let mut after_close = Vec::new();
    for (round, visits) in booked.chunks(VISITS).enumerate() {
        let pages = start_all(&program, visits, &patient, &provider).await;
        settle().await;
        let with = program.resident();
        if round == 0 {
            figures.add(
                "20 visits under way, no media",
                number(with),
                "MiB",
                1,
                &format!("{how}; 40 WebSockets, entered and started"),
            );
            figures.add(
                "a visit without media",
                number((with - before) * 1024.0 / 20.0),
                "KiB",
                20,
                "growth since the previous figure",
            );
        }
        for page in pages {
            page.close().await;
        }
        settle().await;
        after_close.push(number(program.resident()));
    }
    figures.add(
        "after each of 5 rounds of 20 visits, pages closed",
        after_close.join(", "),
        "MiB",
        5,
        "seats are held for 10 minutes, so the visits stay active",
    );
    figures.add("media", "see the benchmark of media", "", 0, "cargo xtask bench media prints the KiB of each person");
    figures.table();
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn memory_of_idle_sockets() {
    let mut figures = Figures::new("Idle WebSockets");
    let mut program = Program::start().await;
    let (booked, patient, provider) = program.prepare(SOCKETS / 2).await;
    program.send_everyone_there();
    // The first pages allocate what all share.
    let warm = Page::open(&program.clinic, &patient, booked[0].id).await;
    warm.close().await;
    settle().await;
    let before = program.resident();
    let how = "VmRSS of the release program; both pages of 500 appointments, signed in, not entered";
    figures.add("before", number(before), "MiB", 1, how);
    for round in 1..=3 {
        let mut pages = Vec::new();
        for visit in &booked {
            for person in [&patient, &provider] {
                pages.push(Page::open(&program.clinic, person, visit.id).await);
            }
            if pages.len() % 250 == 0 {
                // A page that sends nothing for 15 s is disconnected.
                all_answer(&mut pages).await;
            }
        }
        settle().await;
        all_answer(&mut pages).await;
        let with = program.resident();
        figures.add(&format!("1,000 open, round {round}"), number(with), "MiB", 1, how);
        if round == 1 {
            let each = number((with - before) * 1024.0 / 1000.0);
            figures.add(
                "an idle authenticated WebSocket",
                each,
                "KiB",
                SOCKETS,
                "growth, including its share of the visit's task",
            );
        }
        for page in pages {
            page.close().await;
        }
        settle().await;
        figures.add(&format!("all closed, round {round}"), number(program.resident()), "MiB", 1, how);
    }
    figures.table();
    program.stop().await;
}

async fn all_answer(pages: &mut [Page]) {
    for page in pages.iter_mut() {
        page.send(&ClientMessage::Ping).await;
    }
    for page in pages {
        assert_eq!(page.other().await, ServerMessage::Pong, "the page is still open");
    }
}
