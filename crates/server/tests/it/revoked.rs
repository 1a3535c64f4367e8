//! After a user's access is revoked they receive no media, whatever their page does.

use std::time::Duration;

use bedside_visit::signalling::Command;
use reqwest::Method;

use crate::room::{Room, connected};
use crate::support::Page;
use crate::support::call::{Call, Transport, now, speak_until};

/// What the user's page does when they are removed.
#[derive(Debug, Clone, Copy)]
enum Doing {
    /// It is connected and reads.
    Open,
    /// Its WebSocket was cut without a close frame; its media connection stays up.
    Cut,
    /// It is connected, but does not read.
    Frozen,
}

/// How access is revoked.
#[derive(Debug, Clone, Copy)]
enum Removal {
    /// The provider revokes the guest's links.
    ByProvider,
    /// An administrator disables the user.
    Disabled,
}

/// Maximum delay until media stops: the server checks every 400 ms.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn removed_person_hears_nothing(transport: Transport, doing: Doing, removal: Removal) {
    let (room, mut patient, _provider) = Room::connected().await;
    let (guest, client) = room.server.companion(room.visit.id, "Gus", "guest").await;
    let mut page = Page::open(&room.server, &client, room.visit.id).await;
    page.command(Command::Enter).await.expect("in");
    page.until("connected", connected).await;
    let (mut speaker, mut listener) =
        (Call::open(&mut patient, Transport::Udp).await, Call::open(&mut page, transport).await);
    speak_until(&mut [&mut speaker, &mut listener], "sound", |calls| calls[1].heard > 10).await;

    let page = match doing {
        Doing::Open | Doing::Frozen => Some(page),
        Doing::Cut => {
            drop(page);
            // The server notices, and holds the seat.
            let before = listener.heard;
            speak_until(&mut [&mut speaker, &mut listener], "more audio", |calls| calls[1].heard > before + 30).await;
            None
        }
    };
    match removal {
        Removal::ByProvider => {
            let links = format!("/api/appointments/{}/invites/{guest}", room.visit.id);
            assert_eq!(room.grace.request(Method::DELETE, &links).send().await.status, 200);
        }
        Removal::Disabled => room.server.disable(guest).await,
    }
    let removed = now();
    speak_until(&mut [&mut speaker, &mut listener], "one second", |_| now() > removed + AT_ONCE).await;
    let at_the_end = listener.heard;
    speak_until(&mut [&mut speaker, &mut listener], "another", |_| now() > removed + 2 * AT_ONCE).await;
    assert_eq!(listener.heard, at_the_end, "{transport:?} {doing:?} {removal:?}");
    if let (Doing::Open, Some(mut page)) = (doing, page) {
        page.ending().await;
    }
}

#[tokio::test]
async fn a_removed_guest_hears_nothing_after_a_second_whatever_the_page_does() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for doing in [Doing::Open, Doing::Cut, Doing::Frozen] {
            removed_person_hears_nothing(transport, doing, Removal::ByProvider).await;
        }
    }
}

#[tokio::test]
async fn a_disabled_person_hears_nothing_after_a_second_whatever_the_page_does() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for doing in [Doing::Open, Doing::Cut, Doing::Frozen] {
            removed_person_hears_nothing(transport, doing, Removal::Disabled).await;
        }
    }
}
