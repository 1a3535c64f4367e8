//! Generates TypeScript from the signalling types and compares it with the committed file.

use ts_rs::{Config, TS};

use crate::chat::{ChatMessage, ChatText};
use crate::record::EndReason;
use crate::seat::{Capture, Check, DeviceCheck};
use crate::signalling::Sdp;
use crate::signalling::{Admission, ClientMessage, Command, MediaFailure, Refusal, ServerMessage, Track, Watched};
use crate::view::{Change, ParticipantView, Presence, Stage, View};
use crate::{AdmissionId, CallBackend, CommandId, Layer, Role, TermsId, Timestamp, UserId, VisitId};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/signalling/messages.ts");

const HEADER: &str =
    "// Generated from crates/visit by `UPDATE=1 cargo test -p bedside-visit typescript`. Do not edit.\n";

fn generate() -> String {
    let config = Config::new();
    let types = [
        UserId::decl(&config),
        VisitId::decl(&config),
        CommandId::decl(&config),
        Timestamp::decl(&config),
        Sdp::decl(&config),
        Role::decl(&config),
        CallBackend::decl(&config),
        EndReason::decl(&config),
        Check::decl(&config),
        DeviceCheck::decl(&config),
        Capture::decl(&config),
        TermsId::decl(&config),
        ChatText::decl(&config),
        ChatMessage::decl(&config),
        Stage::decl(&config),
        Presence::decl(&config),
        ParticipantView::decl(&config),
        View::decl(&config),
        Change::decl(&config),
        Command::decl(&config),
        Layer::decl(&config),
        Watched::decl(&config),
        ClientMessage::decl(&config),
        AdmissionId::decl(&config),
        Admission::decl(&config),
        Track::decl(&config),
        Refusal::decl(&config),
        MediaFailure::decl(&config),
        ServerMessage::decl(&config),
    ];
    types.iter().fold(HEADER.to_owned(), |text, declaration| format!("{text}\nexport {declaration}\n"))
}

#[test]
fn the_committed_types_are_these() {
    let fresh = generate();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &fresh).expect("write the generated types");
    }
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == fresh,
        "web/src/signalling/messages.ts is stale: run UPDATE=1 cargo test -p bedside-visit typescript"
    );
}
