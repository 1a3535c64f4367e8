//! Visits on another call backend, and moving a call between backends.

use super::*;

fn moved(scene: &mut Scene, backend: CallBackend) {
    scene.send(PROVIDER, Command::MoveCall { backend }).expect("moved");
}

#[test]
fn a_call_is_moved_in_the_same_visit() {
    let mut scene = Scene::in_call();
    let (visit, stage) = (scene.visit.id(), scene.stage(PATIENT).clone());
    moved(&mut scene, CallBackend::CometChat);
    assert_eq!(scene.visit.id(), visit);
    assert_eq!(scene.stage(PATIENT), &stage, "both stay connected");
    for page in [PATIENT, PROVIDER] {
        assert_eq!(scene.page(page).backend, CallBackend::CometChat);
    }
    assert!(scene.log.contains(&Output::SetBackend(CallBackend::CometChat)), "the backend is saved for a restart");
    assert!(scene.log.contains(&Output::DropMedia { user: user(1) }));
    assert_eq!(scene.audits().last(), Some(&AuditAction::VisitBackendChanged));
    assert!(!scene.visit.is_admitted(user(1)), "the embedded SFU forwards nothing meanwhile");

    moved(&mut scene, CallBackend::Embedded);
    assert!(scene.visit.is_admitted(user(1)) && scene.visit.is_admitted(user(2)));
    assert_eq!(scene.stage(PATIENT), &stage);
}

#[test]
fn only_the_provider_moves_it_and_only_to_what_there_is() {
    let mut scene = Scene::in_call();
    let there = Command::MoveCall { backend: CallBackend::CometChat };
    assert_eq!(scene.send(PATIENT, there.clone()), Err(Refusal::WrongRole));
    scene.visit.rules.cometchat = false;
    assert_eq!(scene.send(PROVIDER, there), Err(Refusal::NoBackend));
    assert_eq!(scene.visit.backend(), CallBackend::Embedded);
}

#[test]
fn what_is_not_offered_any_more_falls_back() {
    let booked = Appointment { backend: CallBackend::CometChat, ..appointment() };
    let visit = |rules| Visit::new(VisitId::new(Uuid::from_u128(100)), &booked, rules);
    assert_eq!(visit(VisitRules::default()).backend(), CallBackend::Embedded);
    assert_eq!(visit(VisitRules { cometchat: true, ..VisitRules::default() }).backend(), CallBackend::CometChat);
}

#[test]
fn a_move_survives_a_restart() {
    let mut scene = Scene::in_call();
    moved(&mut scene, CallBackend::CometChat);
    scene.restart();
    assert_eq!(scene.visit.backend(), CallBackend::CometChat);
}

#[test]
fn of_another_backends_media_only_the_page_knows() {
    let mut scene = Scene::in_call();
    assert_eq!(
        scene.send(PATIENT, Command::ReportMedia { carries: true }),
        Err(Refusal::NotNow),
        "the server observes its own SFU"
    );
    moved(&mut scene, CallBackend::CometChat);
    scene.input(Input::MediaUp { user: user(1) });
    assert!(!scene.page(PATIENT).you.media, "the report belonged to the previous connection");

    scene.send(PATIENT, Command::ReportMedia { carries: true }).expect("reported");
    assert!(scene.page(PATIENT).you.media);
    scene.send(PATIENT, Command::ReportMedia { carries: false }).expect("reported");
    assert!(matches!(scene.stage(PROVIDER), Stage::Reconnecting { .. }), "{:?}", scene.stage(PROVIDER));
    scene.send(PATIENT, Command::ReportMedia { carries: true }).expect("reported");
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));

    scene.drop_connection(PATIENT);
    assert!(
        matches!(scene.stage(PROVIDER), Stage::Reconnecting { .. }),
        "the report of a disconnected page is dropped"
    );
}

#[test]
fn a_report_of_a_stranger_makes_sense_over_another_backend_alone() {
    let mut scene = Scene::in_call();
    assert_eq!(
        scene.send(PATIENT, Command::ReportStranger),
        Err(Refusal::NotNow),
        "the embedded backend has no stranger calls"
    );
    assert!(!scene.audits().contains(&AuditAction::StrangerRefused));
    moved(&mut scene, CallBackend::CometChat);
    scene.send(PATIENT, Command::ReportStranger).expect("recorded");
    assert_eq!(scene.audits().last(), Some(&AuditAction::StrangerRefused));
}
