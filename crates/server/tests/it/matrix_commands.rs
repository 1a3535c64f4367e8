//! Authorization of commands in a visit, and the times at which each role may join.

use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::view::Stage;
use bedside_visit::{CallBackend, DeviceCheck, TermsId};

use crate::support::double::Double;
use crate::support::{Ending, Page, Refused, Server, When};

/// Returns whether each role may send a command, in a state in which it is valid: accepted, or refused because it
/// belongs to another role. All others have no seat to send it from, as the `signalling` row of [`ROUTES`] shows.
const fn commands(command: &Command) -> [(&'static str, bool); 3] {
    let (patient, provider) = match command {
        Command::Enter
        | Command::Rejoin
        | Command::Leave
        | Command::SetMedia { .. }
        | Command::ReportCheck { .. }
        | Command::ReportCapture { .. }
        | Command::ReportMedia { .. }
        | Command::ReportStranger
        | Command::SetConsent { .. }
        | Command::Say { .. } => (true, true),
        Command::Decline => (true, false),
        Command::Start
        | Command::Cancel
        | Command::KeepWaiting
        | Command::MarkMissed
        | Command::End
        | Command::MoveCall { .. } => (false, true),
    };
    [("patient", patient), ("patient by link", patient), ("provider", provider)]
}

fn every_kind() -> [Command; 17] {
    [
        Command::Enter,
        Command::Rejoin,
        Command::Leave,
        Command::Decline,
        Command::Start,
        Command::Cancel,
        Command::KeepWaiting,
        Command::MarkMissed,
        Command::End,
        Command::SetMedia { microphone: false, camera: false },
        Command::ReportCheck {
            check: DeviceCheck {
                browser: bedside_visit::Check::Works,
                camera: bedside_visit::Check::Works,
                microphone: bedside_visit::Check::Works,
                heard: true,
                seen: true,
            },
        },
        Command::ReportCapture { capture: bedside_visit::Capture::Interrupted },
        Command::ReportMedia { carries: true },
        Command::ReportStranger,
        Command::MoveCall { backend: CallBackend::Embedded },
        Command::SetConsent { given: false, terms: TermsId::new([0; 16]) },
        Command::Say { text: "Hello".to_owned().try_into().expect("a text") },
    ]
}

#[tokio::test]
async fn every_command() {
    let double = Double::start().await;
    let server = Server::start_with(|config| {
        config.cometchat = Some(double.config());
        config.visits.call_backend = CallBackend::CometChat;
    })
    .await;
    let ada = server.sign_in(&server.patient).await;
    let grace = server.sign_in(&server.provider).await;
    for command in every_kind() {
        for (who, may) in commands(&command) {
            let visit = server.book(When::Now).await;
            let mut provider = Page::open(&server, &grace, visit.id).await;
            if command != Command::Start {
                provider.command(Command::Start).await.expect("started");
            }
            let before = server.audit().await.len();
            let mut page = match who {
                "provider" => provider,
                "patient" => Page::open(&server, &ada, visit.id).await,
                _ => {
                    let client = server.client();
                    client.join_by_link(&server.link(visit.id).await).await;
                    Page::open(&server, &client, visit.id).await
                }
            };
            if matches!(command, Command::Say { .. }) {
                page.command(Command::Enter).await.expect("entered: messages are sent from inside");
            }
            let answer = page.command(command.clone()).await;
            let expected = if may { Ok(()) } else { Err(Refusal::WrongRole) };
            assert_eq!(answer, expected, "{command:?} of {who}");
            if !may {
                let after = server.audit().await.split_off(before);
                let done: Vec<_> = after.iter().filter(|row| row.action.starts_with("visit.")).collect();
                assert!(done.is_empty(), "{command:?} of {who} did {done:?}");
            }
        }
    }
}

/// The page and the WebSocket agree on when a visit is open, and for whom.
#[tokio::test]
async fn every_join_window() {
    let server = Server::start().await;
    let (now, later, earlier, off) = (
        server.book(When::Now).await,
        server.book(When::Later).await,
        server.book(When::Earlier).await,
        server.book(When::Now).await,
    );
    server.cancel(off.id).await;
    let clients = [
        server.sign_in(&server.patient).await,
        server.sign_in(&server.provider).await,
        server.sign_in(&server.other_provider).await,
    ];
    #[rustfmt::skip]
    let table = [
        //                  patient                provider               other provider
        ("now",     &now,     [("open", "open"), ("open", "open"), ("404",  "4403")]),
        ("later",   &later,   [("403",  "4403"), ("open", "open"), ("404",  "4403")]),
        ("earlier", &earlier, [("403",  "4403"), ("403",  "4403"), ("404",  "4403")]),
        ("off",     &off,     [("403",  "4403"), ("403",  "4403"), ("404",  "4403")]),
    ];
    for (when, visit, row) in table {
        for (client, (page, socket)) in clients.iter().zip(row) {
            let status = client.get(&format!("/appointment/{}", visit.id)).await.status;
            let shown = if status == 200 { "open".to_owned() } else { status.to_string() };
            let path = format!("/api/appointments/{}/signalling", visit.id);
            let opened = match Page::try_open(&server, client, &path, Some(&server.origin)).await {
                Ok(page) => {
                    assert!(matches!(page.view.stage, Stage::Idle | Stage::Preparing));
                    "open".to_owned()
                }
                Err(Refused::Ended(Ending::Code(code))) => code.to_string(),
                Err(other) => format!("{other:?}"),
            };
            assert_eq!((shown.as_str(), opened.as_str()), (page, socket), "{when}");
        }
    }
}
