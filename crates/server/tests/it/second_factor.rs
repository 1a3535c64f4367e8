//! A required second factor: staff without one enroll before they are signed in.

use std::time::Duration;

use bedside::config::{Config, SecondFactor};
use bedside_visit::Clock as _;
use bedside_visit::permission::ClinicRole;
use serde_json::json;

use crate::account::{Phone, hidden};
use crate::passkeys;
use crate::provider::way_there;
use crate::support::authenticator::Authenticator;
use crate::support::mail::MailServer;
use crate::support::provider::Provider;
use crate::support::{Account, Client, PASSWORD, Reply, Server, When};

const NEW: &str = "umbrella kettle frosty nine";
const WHY: &str = "This clinic requires two-factor authentication.";

async fn clinic() -> Server {
    clinic_with(|_| {}).await
}

async fn clinic_with(adjust: impl FnOnce(&mut Config)) -> Server {
    Server::start_with(|all| {
        all.sign_in.second_factor = SecondFactor::Required;
        adjust(all);
    })
    .await
}

async fn is_signed_in(client: &Client) -> bool {
    client.get("/account").await.status == 200
}

/// Signs in with the password of a user without a second factor, and returns what they are shown to enroll.
async fn begins(server: &Server, email: &str, password: &str) -> (Client, Phone) {
    let client = server.client();
    let reply = client.try_sign_in(email, password).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/sign-in/code")), "{}", reply.body);
    let phone = sees_it(&client).await;
    (client, phone)
}

/// Returns the authenticator app that scans the enrollment page.
async fn sees_it(client: &Client) -> Phone {
    let page = client.get("/sign-in/code").await.body;
    assert!(page.contains(WHY) && page.contains("action=\"/sign-in/code\""), "{page}");
    Phone::scan(&page)
}

async fn gives(client: &Client, code: &str) -> Reply {
    client.post("/sign-in/code", &[("code", code)]).await
}

/// Enrolls a user, who is then signed in.
async fn sets_up(server: &Server, account: &Account) -> (Client, Phone) {
    let (client, phone) = begins(server, &account.email, PASSWORD).await;
    let done = gives(&client, &phone.shows(server, 0)).await;
    assert_eq!((done.status, done.location()), (303, Some("/")), "{}", done.body);
    (client, phone)
}

async fn actions(server: &Server) -> Vec<String> {
    server.audit().await.into_iter().map(|row| row.action).collect()
}

#[tokio::test]
async fn staff_set_up_a_second_factor_before_they_are_signed_in() {
    let server = clinic().await;
    let booked = server.add_person("Booked as a provider", Some("booked@example.org")).await;
    server.book_for(&server.patient.person, &booked.person, When::Later).await;
    let staff = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
    let admin = server.add_clerk("Florence Nightingale", "florence@example.org", ClinicRole::Admin).await;
    for account in [&server.provider, &booked, &staff, &admin] {
        let client = server.client();
        let fields = [("email", account.email.as_str()), ("password", PASSWORD), ("next", "/account?a=b")];
        let asked = client.post("/sign-in", &fields).await;
        assert_eq!(asked.location(), Some("/sign-in/code?next=/account%3Fa%3Db"), "{}", account.email);
        assert!(!client.cookies().contains_key("bedside-session") && !is_signed_in(&client).await);

        let page = client.get("/sign-in/code?next=/account%3Fa%3Db").await.body;
        let (phone, next) = (Phone::scan(&page), hidden(&page, "next"));
        assert!(!page.contains("name=\"sealed\"") && !page.contains("type=\"password\""), "{page}");
        let (now, code) = (server.clock.now(), phone.shows(&server, 0));
        assert_eq!(sees_it(&client).await.shows_at(now, 0), phone.shows_at(now, 0), "the secret to scan is unchanged");
        let wrong = gives(&client, "000000").await;
        assert!(wrong.status == 200 && wrong.body.contains("That code does not work"), "{}", wrong.body);
        assert_eq!(Phone::scan(&wrong.body).shows_at(now, 0), phone.shows_at(now, 0), "the secret is still unchanged");
        let fields = [("code", &*code), ("next", "/account?a=b")];
        let done = client.post("/sign-in/code", &fields).await;
        assert_eq!((done.location(), next.as_str()), (Some("/account?a=b"), "/account?a=b"), "{}", done.body);
        assert!(is_signed_in(&client).await && !client.cookies().contains_key("bedside-waiting"));

        // From then on a code is required, and the code that confirmed the enrollment is used up.
        let again = server.client();
        assert_eq!(again.try_sign_in(&account.email, PASSWORD).await.location(), Some("/sign-in/code"));
        assert!(again.get("/sign-in/code").await.body.contains("<h1>Your code</h1>"));
        assert_eq!(gives(&again, &code).await.status, 200);
        assert_eq!(gives(&again, &phone.shows(&server, 30)).await.location(), Some("/"));
    }
    let rows = server.audit().await;
    let of_grace = rows.iter().filter(|row| row.subject == Some(server.provider.id()));
    let of_grace: Vec<_> = of_grace.map(|row| (row.action.as_str(), row.actor.is_some())).collect();
    let failed = ("session.second_step_failed", false);
    let (added, signed_in) = (("user.second_step_added", true), ("session.signed_in", true));
    assert_eq!(of_grace, [failed, added, signed_in, failed, signed_in]);
}

#[tokio::test]
async fn a_patient_is_asked_for_nothing_more() {
    let server = clinic().await;
    let visit = server.book(When::Now).await;
    let client = server.sign_in(&server.patient).await;
    assert!(is_signed_in(&client).await);
    server.client().join_by_link(&server.link(visit.id).await).await;
    // Patients may turn two-factor authentication on and off.
    crate::account::turn_on_second_step(&server, &server.patient).await;
    let removed = client.post("/account/second-step/remove", &[("current", PASSWORD)]).await;
    assert_eq!(removed.location(), Some("/account?done=second-step-removed"), "{}", removed.body);
    server.sign_in(&server.patient).await;
}

#[tokio::test]
async fn the_server_chooses_the_totp_secret_and_the_first_one_counts() {
    let server = clinic().await;
    let patients = server.sign_in(&server.patient).await.get("/account/second-step").await.body;
    let (owner, phone) = begins(&server, "grace@example.org", PASSWORD).await;
    let (thief, other) = begins(&server, "grace@example.org", PASSWORD).await;
    for code in [other.shows(&server, 0), Phone::scan(&patients).shows(&server, 0)] {
        let fields = [("code", &*code), ("sealed", &hidden(&patients, "sealed"))];
        let refused = owner.post("/sign-in/code", &fields).await;
        assert!(refused.body.contains("That code does not work"), "{}", refused.body);
    }
    assert_eq!(gives(&owner, &phone.shows(&server, 0)).await.location(), Some("/"));

    assert_eq!(thief.get("/sign-in/code").await.location(), Some("/sign-in"), "a second factor exists by now");
    assert_eq!(gives(&thief, &other.shows(&server, 0)).await.location(), Some("/sign-in"));
    assert!(!is_signed_in(&thief).await);
    assert_eq!(actions(&server).await.iter().filter(|action| *action == "user.second_step_added").count(), 1);
    thief.try_sign_in("grace@example.org", PASSWORD).await;
    assert_eq!(gives(&thief, &other.shows(&server, 30)).await.status, 200);
    assert_eq!(gives(&thief, &phone.shows(&server, 30)).await.location(), Some("/"));
}

#[tokio::test]
async fn first_codes_cannot_be_tried_one_after_the_other() {
    let server = clinic().await;
    let (client, phone) = begins(&server, "grace@example.org", PASSWORD).await;
    for _ in 0..5 {
        assert_eq!(gives(&client, "000000").await.status, 200);
    }
    let late = gives(&client, &phone.shows(&server, 0)).await;
    assert_eq!(late.location(), Some("/sign-in"), "sign-in starts over");
    assert!(!is_signed_in(&client).await);
    let done = actions(&server).await;
    assert_eq!(done.iter().filter(|action| *action == "session.second_step_failed").count(), 5, "{done:?}");
    assert!(!done.contains(&"user.second_step_added".to_owned()), "{done:?}");

    // Starting over again and again is delayed like wrong passwords, until a code was right.
    let mut again = client.try_sign_in("grace@example.org", PASSWORD).await;
    for _ in 0..9 {
        again = client.try_sign_in("grace@example.org", PASSWORD).await;
    }
    assert_eq!(again.status, 429);
    server.clock.advance(Duration::from_secs(15 * 60));
    sets_up(&server, &server.provider).await;
    assert_eq!(
        client.try_sign_in("grace@example.org", PASSWORD).await.location(),
        Some("/sign-in/code"),
        "the delay is reset"
    );
}

/// Codes of one account are delayed however often sign-in starts over, and its owner is notified.
#[tokio::test]
async fn the_owner_hears_of_many_wrong_codes_and_more_are_slowed_down() {
    let mail = MailServer::start().await;
    let config = mail.config();
    let server = clinic_with(|all| all.mail = Some(config)).await;
    let (_, phone) = sets_up(&server, &server.provider).await;
    assert_eq!(mail.taken(1).await.len(), 1, "the mail about the enrollment");
    let mut answers = Vec::new();
    for _ in 0..3 {
        let client = server.client();
        assert_eq!(client.try_sign_in("grace@example.org", PASSWORD).await.location(), Some("/sign-in/code"));
        for _ in 0..5 {
            answers.push(gives(&client, "000000").await.status);
        }
    }
    assert_eq!(answers.split_off(11), [429; 4], "delayed from the twelfth on");
    assert_eq!(answers, [200; 11]);
    let told = mail.taken(2).await;
    assert_eq!(told.len(), 2);
    assert!(told[1].text.contains("wrong codes") && told[1].text.contains("change your password"), "{}", told[1].text);

    server.clock.advance(Duration::from_secs(61));
    let owner = server.client();
    assert_eq!(owner.try_sign_in("grace@example.org", PASSWORD).await.location(), Some("/sign-in/code"));
    assert_eq!(gives(&owner, &phone.shows(&server, 0)).await.location(), Some("/"), "the right code after a minute");
}

#[tokio::test]
async fn a_pending_sign_in_ends_after_a_quarter_of_an_hour_and_with_the_account() {
    let server = clinic().await;
    let (client, phone) = begins(&server, "grace@example.org", PASSWORD).await;
    server.clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(client.get("/sign-in/code").await.status, 200);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(client.get("/sign-in/code").await.location(), Some("/sign-in"));
    assert_eq!(gives(&client, &phone.shows(&server, 0)).await.location(), Some("/sign-in"));

    let (client, phone) = begins(&server, "grace@example.org", PASSWORD).await;
    server.disable(server.provider.id()).await;
    assert_eq!(client.get("/sign-in/code").await.location(), Some("/sign-in"));
    assert_eq!(gives(&client, &phone.shows(&server, 0)).await.location(), Some("/sign-in"));
    assert!(!is_signed_in(&client).await && !actions(&server).await.contains(&"user.second_step_added".to_owned()));
}

#[tokio::test]
async fn a_new_password_by_mail_does_not_get_around_it() {
    let mail = MailServer::start().await;
    let config = mail.config();
    let server = clinic_with(|all| all.mail = Some(config)).await;
    let (thief, others) = begins(&server, "grace@example.org", PASSWORD).await;
    let client = server.client();
    client.post("/sign-in/forgotten", &[("email", "grace@example.org")]).await;
    let link = mail.taken(1).await.remove(0).link();
    client.get(link.strip_prefix(&server.origin).expect("a link to this server")).await;
    let reset = client.post("/reset", &[("new", NEW)]).await;
    assert_eq!(reset.location(), Some("/sign-in?done=password"), "{}", reset.body);
    assert!(!is_signed_in(&client).await);

    let late = gives(&thief, &others.shows(&server, 0)).await;
    assert_eq!(late.location(), Some("/sign-in"), "the sign-in with the old password has ended");
    let (owner, phone) = begins(&server, "grace@example.org", NEW).await;
    assert!(!is_signed_in(&owner).await);
    assert_eq!(gives(&owner, &phone.shows(&server, 0)).await.location(), Some("/"));
    // One about the password and one about two-factor authentication.
    let told: Vec<String> = mail.taken(3).await.into_iter().map(|mail| mail.text).collect();
    assert!(told.iter().any(|text| text.contains("Two-factor authentication was turned on")), "{told:?}");
}

#[tokio::test]
async fn a_new_password_ends_pending_sign_ins() {
    let server = clinic().await;
    let (owner, phone) = sets_up(&server, &server.provider).await;
    let begun = server.client();
    assert_eq!(begun.try_sign_in("grace@example.org", PASSWORD).await.location(), Some("/sign-in/code"));
    let changed = owner.post("/account/password", &[("current", PASSWORD), ("new", NEW)]).await;
    assert_eq!(changed.location(), Some("/account?done=password"), "{}", changed.body);
    assert_eq!(gives(&begun, &phone.shows(&server, 30)).await.location(), Some("/sign-in"));
    assert!(!is_signed_in(&begun).await && is_signed_in(&owner).await);
}

#[tokio::test]
async fn while_it_is_required_it_cannot_be_turned_off() {
    let server = clinic().await;
    let (client, phone) = sets_up(&server, &server.provider).await;
    let page = client.get("/account").await.body;
    assert!(!page.contains("Turn off") && page.contains("Set up another phone"), "{page}");
    let wrong = client.post("/account/second-step/remove", &[("current", "wrong")]).await;
    assert!(wrong.status == 403 && wrong.body.contains("Wrong password"), "{}", wrong.body);
    let refused = client.post("/account/second-step/remove", &[("current", PASSWORD)]).await;
    assert!(refused.status == 403 && refused.body.contains(WHY), "{}", refused.body);
    assert!(refused.body.contains("href=\"/account\""), "a link back: {}", refused.body);
    let again = server.client();
    again.try_sign_in("grace@example.org", PASSWORD).await;
    assert_eq!(gives(&again, &phone.shows(&server, 30)).await.location(), Some("/"), "nothing has changed");

    // It can be moved to another phone.
    let page = client.get("/account/second-step").await.body;
    let (another, sealed) = (Phone::scan(&page), hidden(&page, "sealed"));
    let fields = [("sealed", sealed.as_str()), ("code", &another.shows(&server, 0)), ("current", PASSWORD)];
    assert_eq!(client.post("/account/second-step", &fields).await.location(), Some("/account?done=second-step"));
}

#[tokio::test]
async fn a_user_who_lost_their_phone_enrolls_again() {
    let server = clinic().await;
    let (_, lost) = sets_up(&server, &server.provider).await;
    let waits = server.client();
    waits.try_sign_in("grace@example.org", PASSWORD).await;
    server.operator().forget_second_step("grace@example.org").await.expect("forgotten");
    assert_eq!(
        gives(&waits, &lost.shows(&server, 30)).await.location(),
        Some("/sign-in"),
        "the lost phone's code is not accepted"
    );
    let (client, phone) = begins(&server, "grace@example.org", PASSWORD).await;
    assert_eq!(gives(&client, &lost.shows(&server, 30)).await.status, 200);
    assert_eq!(gives(&client, &phone.shows(&server, 0)).await.location(), Some("/"));
}

#[tokio::test]
async fn a_passkey_satisfies_the_requirement_and_a_password_alone_does_not() {
    let server = clinic().await;
    let (client, _) = sets_up(&server, &server.provider).await;
    let mut device = Authenticator::new(&server.origin);
    passkeys::add(&client, &mut device, "Laptop").await;
    server.operator().forget_second_step("grace@example.org").await.expect("forgotten");

    // The password alone does not allow enrolling another factor.
    let thief = server.client();
    let sent = thief.try_sign_in("grace@example.org", PASSWORD).await;
    assert_eq!(sent.location(), Some("/sign-in?done=use-passkey&next=/"), "{}", sent.body);
    assert!(!thief.cookies().contains_key("bedside-waiting"));
    let page = thief.get(sent.location().expect("there")).await.body;
    assert!(page.contains("Sign in with your passkey") && page.contains("data-passkey-sign-in"), "{page}");
    assert_eq!(passkeys::sign_in(&thief, &mut device).await.status, 200);
    assert!(is_signed_in(&thief).await);

    server.operator().forget_passkeys("grace@example.org").await.expect("forgotten");
    assert!(
        !is_signed_in(&thief).await && !is_signed_in(&client).await,
        "sessions started with the removed passkey have ended"
    );
    assert_eq!(passkeys::sign_in(&server.client(), &mut device).await.status, 403);
    let rows = server.audit().await;
    let removed = rows.iter().find(|row| row.action == "user.passkey_removed").expect("an audit line");
    assert_eq!((removed.subject, removed.detail.as_deref()), (Some(server.provider.id()), Some("operator")));
    sets_up(&server, &server.provider).await;
}

#[tokio::test]
async fn a_single_factor_openid_sign_in_requires_a_second_factor() {
    let provider = Provider::start().await;
    let config = provider.config();
    let server = clinic_with(|all| all.oidc = Some(config)).await;
    provider.tell_time_of(&server);
    let (client, _) = sets_up(&server, &server.provider).await;
    let page = client.post("/account/provider", &[("current", PASSWORD)]).await;
    client.get(&provider.signs_in(&way_there(&page.body), json!({}))).await;
    server.operator().forget_second_step("grace@example.org").await.expect("forgotten");

    let strong = server.client();
    assert_eq!(provider.sign_in(&strong, json!({ "amr": ["pwd", "mfa"] })).await.location(), Some("/"));
    assert!(is_signed_in(&strong).await, "the provider required two factors");
    let plain = server.client();
    assert_eq!(provider.sign_in(&plain, json!({ "amr": ["pwd"] })).await.location(), Some("/sign-in/code"));
    assert!(!is_signed_in(&plain).await);
    let phone = sees_it(&plain).await;
    assert_eq!(gives(&plain, &phone.shows(&server, 0)).await.location(), Some("/"));
    assert!(is_signed_in(&plain).await);

    // A pending sign-in ends when the account is unlinked.
    server.operator().forget_second_step("grace@example.org").await.expect("forgotten");
    let begun = server.client();
    provider.sign_in(&begun, json!({ "amr": ["pwd"] })).await;
    let phone = sees_it(&begun).await;
    plain.post("/account/provider/remove", &[("current", PASSWORD)]).await;
    assert_eq!(gives(&begun, &phone.shows(&server, 0)).await.location(), Some("/sign-in"));
}

#[tokio::test]
async fn signed_in_users_are_asked_at_their_next_sign_in_once_it_is_required() {
    let mut server = Server::start().await;
    let client = server.sign_in(&server.provider).await;
    server.config.sign_in.second_factor = SecondFactor::Required;
    let server = server.restart().await;
    assert!(is_signed_in(&client).await);
    client.post("/sign-out", &[]).await;
    sets_up(&server, &server.provider).await;
}
