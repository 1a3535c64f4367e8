//! The audit log names the user an action was done to, beside its actor.

use std::time::Duration;

use bedside::operator::UserToAdd;
use bedside_visit::UserId;
use bedside_visit::permission::ClinicRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{Phone, hidden, turn_on_second_step};
use crate::provider::way_there;
use crate::support::authenticator::Authenticator;
use crate::support::database::Shell;
use crate::support::mail::MailServer;
use crate::support::provider::Provider;
use crate::support::{GRANT, PASSWORD, Server, When};
use crate::{desk, passkeys};

const NEW: &str = "umbrella kettle frosty nine";

/// Returns the lines after `skip`, such as `grace: companion.added ines`, without those of a visit and of views.
async fn lines(server: &Server, names: &[(&str, UserId)], skip: usize) -> Vec<String> {
    let of = |user: Option<UserId>| match user {
        Some(user) => names.iter().find(|(_, id)| *id == user).map_or("another", |(name, _)| name),
        None => "-",
    };
    let log = server.audit().await.into_iter().skip(skip);
    let log = log.filter(|row| row.action != "appointment.viewed" && !row.action.starts_with("visit."));
    log.map(|row| format!("{}: {} {}", of(row.actor), row.action, of(row.subject))).collect()
}

#[tokio::test]
async fn what_people_do_with_their_own_account() {
    let mail = MailServer::start().await;
    let config = mail.config();
    let server = Server::start_with(|all| all.mail = Some(config)).await;
    let (here, there) = (server.sign_in(&server.provider).await, server.sign_in(&server.provider).await);
    here.post("/account/sign-ins", &[("which", "others")]).await;
    here.post("/account/password", &[("current", "wrong"), ("new", NEW)]).await;
    here.post("/account/password", &[("current", PASSWORD), ("new", NEW)]).await;
    let page = here.get("/account/second-step").await.body;
    let code = Phone::scan(&page).shows(&server, 0);
    here.post("/account/second-step", &[("sealed", &*hidden(&page, "sealed")), ("code", &code), ("current", NEW)])
        .await;
    there.try_sign_in("grace@example.org", NEW).await;
    there.post("/sign-in/code", &[("code", &code)]).await;
    here.post("/account/second-step/remove", &[("current", "wrong")]).await;
    here.post("/account/second-step/remove", &[("current", NEW)]).await;
    // Waits for the mails about the password, two-factor authentication and its removal, and for the link.
    mail.taken(3).await;
    there.post("/sign-in/forgotten", &[("email", "grace@example.org")]).await;
    let link = mail.taken(4).await.remove(3).link();
    there.get(link.strip_prefix(&server.origin).expect("a link to this server")).await;
    there.post("/reset", &[("new", PASSWORD)]).await;

    let expected = [
        "grace: session.signed_in grace",
        "grace: session.signed_in grace",
        "grace: session.ended grace",
        "grace: user.password_change_failed grace",
        "grace: user.password_changed grace",
        "grace: session.signed_in grace",
        "grace: user.second_step_added grace",
        // With the right password, but before the second factor was verified.
        "-: session.second_step_failed grace",
        "grace: session.confirmation_failed grace",
        "grace: user.second_step_removed grace",
        "-: user.password_reset_asked grace",
        "grace: user.password_reset grace",
    ];
    assert_eq!(lines(&server, &[("grace", server.provider.id())], 0).await, expected);
}

#[tokio::test]
async fn what_people_do_with_ways_in_of_their_own() {
    let provider = Provider::start().await;
    let config = provider.config();
    let server = Server::start_with(|all| all.oidc = Some(config)).await;
    provider.tell_time_of(&server);
    let (here, there) = (server.sign_in(&server.provider).await, server.client());
    let mut device = Authenticator::new(&server.origin);
    passkeys::add(&here, &mut device, "Laptop").await;
    let handle = passkeys::handle(&here.get("/account").await.body);
    passkeys::sign_in(&there, &mut device).await;
    passkeys::remove(&here, &handle, PASSWORD).await;
    passkeys::sign_in(&there, &mut device).await;
    let page = here.post("/account/provider", &[("current", PASSWORD)]).await;
    let back = provider.signs_in(&way_there(&page.body), json!({ "sub": "grace-elsewhere" }));
    here.get(&back).await;
    here.post("/account/provider/remove", &[("current", PASSWORD)]).await;
    provider.sign_in(&there, json!({ "sub": "stranger" })).await;

    let expected = [
        "grace: session.signed_in grace",
        "grace: user.passkey_added grace",
        "grace: session.signed_in grace",
        "grace: user.passkey_removed grace",
        // The passkey's owner is no longer known.
        "-: session.passkey_refused -",
        "grace: user.provider_linked grace",
        "grace: user.provider_unlinked grace",
        "-: session.provider_refused -",
    ];
    assert_eq!(lines(&server, &[("grace", server.provider.id())], 0).await, expected);
}

#[tokio::test]
async fn failed_sign_ins_name_the_account() {
    let server = Server::start().await;
    let mut device = Authenticator::new(&server.origin);
    passkeys::add(&server.sign_in(&server.provider).await, &mut device, "Laptop").await;
    server.disable(server.provider.id()).await;
    let key = server.add_program("Records", "appointments:read").await;
    let names = [("grace", server.provider.id()), ("records", key.user)];
    let before = server.audit().await.len();
    passkeys::sign_in(&server.client(), &mut device).await;
    server.client().try_sign_in("grace@example.org", PASSWORD).await;
    server.ask_token(key.client_id, "wrong", &GRANT).await;
    server.ask_token(uuid::Uuid::now_v7(), "wrong", &GRANT).await;
    let expected = [
        "-: session.passkey_refused grace",
        "-: session.sign_in_failed grace",
        "-: token.refused records",
        "-: token.refused -",
    ];
    assert_eq!(lines(&server, &names, before).await, expected);
}

#[tokio::test]
async fn what_the_clinic_does_to_its_people() {
    let server = Server::start().await;
    let florence = server.add_clerk("Florence Nightingale", "florence@example.org", ClinicRole::Admin).await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.patient.id(), server.provider.id());
    let admin = server.sign_in(&florence).await;
    let before = server.audit().await.len();

    let zofia = admin.post_json("/api/people", &json!({ "name": "Zofia" })).await.json();
    let id = |value: &Value| -> UserId { value["data"]["userId"].as_str().expect("an id").parse().expect("an id") };
    let zofia = id(&zofia);
    for disabled in ["true", "false"] {
        admin.post("/people", &[("user", &zofia.to_string()), ("disabled", disabled), ("sure", "true")]).await;
    }
    let new = json!({
        "patientId": zofia.to_string(), "providerId": grace.to_string(),
        "datetime": format!("{}T09:00:00Z", server.in_days(40)), "duration": 30, "type": "Follow-up",
    });
    let booked = admin.post_json("/api/appointments", &new).await.json();
    let booked = booked["data"]["id"].as_str().expect("an id").to_owned();
    admin.post(&format!("/booking/{booked}/cancel"), &[]).await;

    let booking = format!("/booking/{}", visit.id);
    let link = server.link(visit.id).await;
    let (first, second, third) = (server.client(), server.client(), server.client());
    first.join_by_link(&link).await;
    let path = link.replace(&server.origin, "");
    for (device, admit) in [(&second, "false"), (&third, "true")] {
        device.open_and_press(&path).await;
        let page = admin.get(&booking).await.body;
        admin
            .post(&format!("{booking}/admissions"), &[("admission", &hidden(&page, "admission")), ("admit", admit)])
            .await;
    }
    let companions = format!("/api/appointments/{}/companions", visit.id);
    let made = admin.post_json(&companions, &json!({ "name": "Ines", "role": "interpreter" })).await.json();
    let ines = id(&made);
    let revoke = format!("/api/appointments/{}/invites/{ines}", visit.id);
    admin.request(Method::DELETE, &revoke).send().await;

    let names = [("ada", ada), ("florence", florence.id()), ("zofia", zofia), ("ines", ines)];
    let expected = [
        "florence: user.added zofia",
        "florence: user.disabled zofia",
        "florence: user.enabled zofia",
        "florence: appointment.added zofia",
        "florence: appointment.cancelled zofia",
        "-: invite.created ada",
        "ada: invite.used ada",
        "-: admission.asked ada",
        "florence: admission.refused ada",
        "-: admission.asked ada",
        "florence: admission.given ada",
        "florence: user.added ines",
        "florence: companion.added ines",
        "florence: invite.created ines",
        "florence: invite.revoked ines",
        "florence: companion.removed ines",
    ];
    assert_eq!(lines(&server, &names, before).await, expected);
}

#[tokio::test]
async fn what_the_operator_does() {
    let server = Server::start().await;
    let operator = server.operator();
    turn_on_second_step(&server, &server.provider).await;
    let visit = server.book(When::Now).await;
    let before = server.audit().await.len();
    let florence = UserToAdd {
        name: "Florence".to_owned(),
        email: None,
        password: None,
        specialty: None,
        birth_date: None,
        clinic_role: Some(ClinicRole::Staff),
    };
    let florence = operator.add_user(florence).await.expect("added");
    operator.set_clinic_role("grace@example.org", Some(ClinicRole::Staff)).await.expect("given");
    operator.forget_second_step("grace@example.org").await.expect("forgotten");
    operator.reset_password(&"grace@example.org".parse().expect("an address")).await.expect("a link");
    for disabled in [true, false] {
        operator.set_disabled("grace@example.org", disabled).await.expect("done");
    }
    for held in [true, false] {
        operator.set_held(visit.id, held).await.expect("done");
    }
    operator.cancel_appointment(visit.id).await.expect("cancelled");
    let key = server.add_program("Records", "appointments:read").await;
    operator.remove_key(key.client_id).await.expect("removed");
    let keeps = Duration::from_secs(24 * 60 * 60);
    server.clock.advance(2 * keeps);
    assert_eq!(operator.forget_old(keeps, true).await.expect("done").appointments, 1);

    let names =
        [("ada", server.patient.id()), ("grace", server.provider.id()), ("records", key.user), ("florence", florence)];
    let expected = [
        "-: user.added florence",
        "-: user.clinic_role_changed florence",
        "-: user.clinic_role_changed grace",
        "-: user.second_step_removed grace",
        "-: user.password_reset_asked grace",
        "-: user.disabled grace",
        "-: user.enabled grace",
        "-: appointment.held ada",
        "-: appointment.released ada",
        "-: appointment.cancelled ada",
        "-: user.added records",
        "-: integrator.changed records",
        "-: integrator.changed records",
        "-: appointment.forgotten ada",
    ];
    assert_eq!(lines(&server, &names, before).await, expected);
}

/// An integrator acts with its own rights and in its own name.
#[tokio::test]
async fn what_a_program_does_is_its_own_doing() {
    let server = Server::start().await;
    let key = server.add_program("Records", "appointments:read appointments:write people:write").await;
    let visit = server.book_by(Some(key.user), &server.patient.person, &server.provider.person, When::Now).await;
    let before = server.audit().await.len();
    let program = server.program(&key).await;
    program.post_json("/api/people", &json!({ "name": "Zofia" })).await;
    program.post_json(&format!("/api/appointments/{}/invites", visit.id), &json!({})).await;
    let names = [("ada", server.patient.id()), ("records", key.user)];
    let expected = ["records: token.issued records", "records: user.added another", "records: invite.created ada"];
    assert_eq!(lines(&server, &names, before).await, expected);
}

/// An attacker with write access to the file changes a subject. The altered line is reported.
#[tokio::test]
async fn a_subject_that_was_altered_is_found() {
    let desk = desk::Desk::new();
    let grace = desk.add_user("Grace Hopper", "grace@example.org");
    let ada = desk.add_user("Ada Lovelace", "ada@example.org");
    desk.run(&["user", "disable", "ada@example.org"]).worked();
    // No head was signed yet.
    let heads = desk.path("heads");
    std::fs::write(&heads, "").expect("written");
    let verify = || desk.run(&["audit", "verify", "--heads", &heads]);
    assert!(verify().worked().starts_with("3 lines verified"));
    let database = desk.path("data/bedside.db");
    let mut shell = Shell::open(database.as_ref()).await;
    shell.run("DROP TRIGGER audit_is_not_updated").await;
    for (sequence, to, said) in [
        (3, format!("'{grace}'"), "line 3 of the audit log was altered"),
        (3, "NULL".to_owned(), "line 3 of the audit log was altered"),
        (2, format!("'{grace}'"), "line 2 of the audit log was altered"),
        (3, "'nobody'".to_owned(), "line 3 of the audit log cannot be read"),
    ] {
        shell.run(&format!("UPDATE audit SET subject = {to} WHERE sequence = {sequence}")).await;
        assert!(verify().refused().contains(said), "{to}");
        shell.run(&format!("UPDATE audit SET subject = '{ada}' WHERE sequence = {sequence}")).await;
        verify().worked();
    }
}
