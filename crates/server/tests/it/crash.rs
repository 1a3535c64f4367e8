//! The program is killed at any moment, and everything it acknowledged is still stored.

use std::time::Duration;

use bedside_visit::CommandId;
use bedside_visit::signalling::{ClientMessage, Command, ServerMessage};
use bedside_visit::view::View;

use crate::desk::{Desk, Serving, free_port};
use crate::support::{Client, PASSWORD, Page};

/// Milliseconds from the first command until the program is killed. Some kills interrupt a transaction, others fall
/// between two.
const MOMENTS: [u64; 8] = [3, 7, 12, 20, 33, 50, 81, 130];

struct Written {
    /// The number of the next message, which determines its name and text.
    next: u32,
    /// The last acknowledged number.
    acknowledged: u32,
    /// The possible states of the microphone: as last acknowledged, and as last sent.
    microphone: [bool; 2],
}

impl Written {
    fn name(number: u32) -> CommandId {
        CommandId::try_from(format!("say-{number}")).expect("plain")
    }

    fn message(number: u32) -> ClientMessage {
        let text = format!("message {number}").try_into().expect("a text");
        ClientMessage::Command { id: Self::name(number), command: Command::Say { text } }
    }

    /// Writes until the program is gone.
    async fn write(&mut self, page: &mut Page) {
        loop {
            page.send(&Self::message(self.next)).await;
            match answer(page, &Self::name(self.next)).await {
                Some(()) => self.acknowledged = self.next,
                None => return,
            }
            self.next += 1;
            self.microphone[1] = !self.microphone[0];
            let id = CommandId::try_from(format!("mute-{}", self.next)).expect("plain");
            let command = Command::SetMedia { microphone: self.microphone[1], camera: true };
            page.send(&ClientMessage::Command { id: id.clone(), command }).await;
            if answer(page, &id).await.is_none() {
                return;
            }
            self.microphone[0] = self.microphone[1];
        }
    }

    /// Checks that each acknowledged message is stored once and in order. The last unacknowledged one may be missing.
    fn check(&self, view: &View) {
        let texts: Vec<&str> = view.messages.iter().map(|message| message.text.reveal()).collect();
        let expected: Vec<String> = (1..=texts.len()).map(|number| format!("message {number}")).collect();
        assert_eq!(texts, expected);
        assert!(self.microphone.contains(&view.you.microphone));
        let (least, most) = (self.acknowledged as usize, self.next as usize);
        assert!(
            (least..=most).contains(&texts.len()),
            "{least} were acknowledged, {most} sent, {} are there",
            texts.len()
        );
    }
}

async fn answer(page: &mut Page, wanted: &CommandId) -> Option<()> {
    loop {
        match page.next().await {
            Ok(ServerMessage::Acknowledged { id }) if id == *wanted => return Some(()),
            Ok(ServerMessage::Refused { id, refusal }) if id == *wanted => panic!("{id:?} is refused: {refusal}"),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let desk = Desk::new();
    let patient = desk.run(&["user", "add", "--name", "Ada Byron"]).worked();
    desk.add_user("Dr. Who", "who@example.org");
    let book = ["--patient", &patient, "--provider", "who@example.org", "--at", "now"];
    let port = free_port();
    let (id, link) = desk.book(&book, &[("BEDSIDE_SERVER__PUBLIC_URL", &format!("http://localhost:{port}"))]);
    let id = id.parse().expect("an id");

    let mut serving = Serving::start(&desk, &["serve"], port);
    let (ada, who) = (Client::new(&serving), Client::new(&serving));
    ada.join_by_link(&link).await;
    assert_eq!(who.try_sign_in("who@example.org", PASSWORD).await.status, 303);
    let mut written = Written { next: 1, acknowledged: 0, microphone: [true; 2] };
    for moment in MOMENTS {
        let mut provider = Page::open_named(&serving, &who, id, "who").await;
        provider.command(Command::Start).await.expect("started, or already started");
        let mut page = Page::open_named(&serving, &ada, id, "ada").await;
        written.check(&page.view);
        page.command(Command::Enter).await.expect("entered, or already in");
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(moment));
            serving.kill();
        });
        written.write(&mut page).await;
        killer.await.expect("killed");
        assert!(written.acknowledged > 0 || moment < 50, "it writes fast enough to be killed while writing");

        serving = Serving::start(&desk, &["serve"], port);
        let mut page = Page::open_named(&serving, &ada, id, "ada").await;
        written.check(&page.view);
        assert!(
            matches!(page.view.you.presence, bedside_visit::view::Presence::Here { .. }),
            "the same seat without a click"
        );
        // A page without an answer sends the command again under the same name: it is performed now, or known as done.
        page.send(&Written::message(written.next)).await;
        answer(&mut page, &Written::name(written.next)).await.expect("it is acknowledged");
        written.acknowledged = written.next;
        written.next += 1;
        written.microphone = [page.view.you.microphone; 2];
    }
    let page = Page::open_named(&serving, &ada, id, "ada").await;
    assert_eq!(page.view.messages.len(), written.acknowledged as usize);
    written.check(&page.view);
    serving.kill();
    assert_eq!(desk.run(&["migrate"]).worked().lines().count(), 1, "the database is intact");
}
