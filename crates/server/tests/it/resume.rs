//! A page's connection breaks and is resumed.

use bedside_visit::signalling::Command;
use bedside_visit::view::Stage;

use crate::room::{Room, connected};
use crate::support::{Beginning, Ending, Page};

fn say(text: &str) -> Command {
    Command::Say { text: text.to_owned().try_into().expect("a text") }
}

#[tokio::test]
async fn a_page_that_comes_back_hears_what_it_missed() {
    let (room, first, mut provider) = Room::connected().await;
    let patient = Page::open_named(&room.server, &room.ada, room.visit.id, "ada").await;
    drop(first);
    // The old connection is still open: the network failed, and the server has not noticed.
    provider.command(say("Can you hear me?")).await.expect("said");
    provider.command(Command::SetMedia { microphone: false, camera: true }).await.expect("muted");
    let (mut back, beginning) = Page::resume(&patient, &room.server, &room.ada, room.visit.id, "ada").await;
    assert_eq!(beginning, Beginning::Resumed);
    back.until("the missed changes", |view| view.messages.len() == 1 && !view.others[0].microphone).await;
    let mut old = patient;
    assert_eq!(old.ending().await, Ending::Code(4001));
    provider.command(say("Yes?")).await.expect("said");
    assert!(connected(&provider.view), "the other participant saw no gap: {:?}", provider.view.stage);

    // The server has noticed the failure.
    drop(back);
    provider.until("the gap", |view| matches!(view.stage, Stage::Reconnecting { .. })).await;
    let again = Page::open_named(&room.server, &room.ada, room.visit.id, "ada").await;
    assert_eq!(again.view.messages.len(), 2, "without a number the page gets the whole state");
    provider.until("the patient", connected).await;
    let moves = room.story().await.into_iter().filter(|line| line == "patient seat_moved").count();
    assert_eq!(moves, 1, "reconnecting is not moving: only the first page of the test moved");
}

#[tokio::test]
async fn of_several_connection_attempts_only_the_chosen_one_is_the_page() {
    let (room, first, _provider) = Room::connected().await;
    let mut patient = Page::open_named(&room.server, &room.ada, room.visit.id, "ada").await;
    drop(first);
    let attempts = [
        Page::attempt(&room.server, &room.ada, room.visit.id, "ada").await,
        Page::attempt(&room.server, &room.ada, room.visit.id, "ada").await,
    ];
    let [silent, chosen] = attempts;
    patient.command(say("Am I still here?")).await.expect("said");
    drop(silent);
    patient.command(say("And now?")).await.expect("said");
    let page = chosen.choose().await;
    assert!(connected(&page.view));
    assert_eq!(page.view.messages.len(), 2);
    assert_eq!(patient.ending().await, Ending::Code(4001));
}

#[tokio::test]
async fn numbers_that_were_never_given_lead_to_the_whole_state() {
    let (room, _, _provider) = Room::connected().await;
    for query in ["page=ada&after=0", "page=ada&after=18446744073709551615", "page=eve&after=5"] {
        let path = format!("/api/appointments/{}/signalling?{query}", room.visit.id);
        let page = Page::try_open(&room.server, &room.ada, &path, Some(&room.server.origin)).await.expect("it opens");
        assert!(connected(&page.view), "{query}");
    }
    for query in ["page=", "page=a%20b", "after=-1", "after=x", "page=ada&page=eve"] {
        let path = format!("/api/appointments/{}/signalling?{query}", room.visit.id);
        let refused = Page::try_open(&room.server, &room.ada, &path, Some(&room.server.origin)).await.err();
        assert!(matches!(refused, Some(crate::support::Refused::Status(400, _))), "{query}: {refused:?}");
    }
}
