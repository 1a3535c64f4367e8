//! Root keys and data keys, as operators manage them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bedside::{Head, SystemClock};
use bedside_visit::Clock as _;

use crate::account::{Phone, hidden};
use crate::desk::{Desk, Serving, free_port};
use crate::support::{Client, PASSWORD};

const GRACE: &str = "grace@example.org";
const JAMES: &str = "james@example.org";

/// Creates a clinic with an appointment, and returns its ID and the patient's link.
fn clinic(desk: &Desk) -> (String, String) {
    desk.add_user("Dr. Grace Hopper", GRACE);
    let ada = desk.run(&["user", "add", "--name", "Ada Lovelace"]).worked();
    let people = ["--patient", &ada, "--provider", GRACE, "--at", "now", "--reason", "It itches"];
    desk.book(&people, &[])
}

/// Returns the name of the current root key, and how many data keys it encrypts.
fn status(desk: &Desk) -> (String, usize) {
    let said = desk.run(&["keys", "status"]).worked();
    let mut first = said.lines().next().expect("a line").strip_prefix("root key ").expect("a root").split(": ");
    let (root, keys) = (first.next().expect("a name"), first.next().expect("a count"));
    (root.to_owned(), keys.strip_suffix(" data keys").expect("keys").parse().expect("a number"))
}

#[test]
fn another_key_or_none_is_refused_in_words_and_nothing_is_lost() {
    let desk = Desk::new();
    let (id, _) = clinic(&desk);
    let (key, away) = (desk.path("data/bedside.key"), desk.path("away"));
    fs::rename(&key, &away).expect("moved");
    for command in [["serve"].as_slice(), &["migrate"], &["appointment", "link", &id], &["keys", "status"]] {
        let said = desk.run_with(command, &[("BEDSIDE_SERVER__LISTEN", "127.0.0.1:0")]).refused();
        assert!(said.contains("bedside.key") && said.contains("database.key"), "{command:?}: {said}");
        assert!(!Path::new(&key).exists(), "{command:?} created another key");
    }
    // Another installation's key.
    let other = Desk::new();
    other.add_user("Eve", "eve@example.org");
    fs::copy(other.path("data/bedside.key"), &key).expect("copied");
    for command in [["serve"].as_slice(), &["user", "add", "--name", "Bob"], &["keys", "rotate"]] {
        let said = desk.run_with(command, &[("BEDSIDE_SERVER__LISTEN", "127.0.0.1:0")]).refused();
        assert!(said.contains("is sealed with the root key") && said.contains("database.key"), "{command:?}: {said}");
    }
    fs::rename(&away, &key).expect("moved");
    assert_eq!(status(&desk).1, 3, "two users, and an appointment with a reason");
    desk.run(&["appointment", "link", &id]).worked();
}

/// Signs in and turns on two-factor authentication.
async fn add_second_step(serving: &Serving, email: &str) -> Phone {
    let client = Client::new(serving);
    assert_eq!(client.try_sign_in(email, PASSWORD).await.status, 303);
    let page = client.get("/account/second-step").await.body;
    let (phone, sealed) = (Phone::scan(&page), hidden(&page, "sealed"));
    let code = phone.shows_at(SystemClock.now(), 0);
    let fields = [("sealed", sealed.as_str()), ("code", &code), ("current", PASSWORD)];
    assert_eq!(client.post("/account/second-step", &fields).await.location(), Some("/account?done=second-step"));
    phone
}

/// The root key is replaced while the program runs with both keys: everything keeps working, finally with the new key
/// alone, and signatures of the old key still verify.
#[tokio::test]
async fn a_root_key_is_replaced_and_everything_goes_along() {
    let desk = Desk::new();
    let (id, link) = clinic(&desk);
    let port = free_port();
    desk.add_user("Dr. James Barry", JAMES);
    let serving = Serving::start(&desk, &["serve"], port);
    let (graces, james) = (add_second_step(&serving, GRACE).await, add_second_step(&serving, JAMES).await);
    serving.terminate();
    let (old, _) = status(&desk);
    let verified = desk.run(&["audit", "verify"]).worked();
    assert!(verified.ends_with("2 signed heads match"), "{verified}");

    let (key, before) = (desk.path("data/bedside.key"), desk.path("data/bedside.key.before"));
    fs::rename(&key, &before).expect("moved");
    let config = desk.config("[database]\nold_key = 'data/bedside.key.before'\n");
    let serving = Serving::start(&desk, &["serve", "--config", &config], port);
    let client = Client::new(&serving);
    assert_eq!(client.try_sign_in(GRACE, PASSWORD).await.location(), Some("/sign-in/code"));
    let used = graces.shows_at(SystemClock.now(), 30);
    assert_eq!(
        client.post("/sign-in/code", &[("code", &used)]).await.status,
        303,
        "the secret sealed with the old key works"
    );
    let said = desk.run(&["keys", "rewrap", "--config", &config]).worked();
    assert!(said.starts_with("4 data keys and 2 TOTP secrets"), "{said}");
    let said = desk.run(&["keys", "rewrap", "--config", &config]).worked();
    assert!(said.starts_with("0 data keys and 0 TOTP secrets"), "nothing is left to rewrap: {said}");
    assert!(client.get(&format!("/appointment/{id}")).await.body.contains("Ada Lovelace"));
    serving.terminate();

    // From here on without the old key.
    fs::remove_file(&before).expect("destroyed");
    let (new, keys) = status(&desk);
    assert!(new != old && keys == 4);
    assert!(desk.run(&["keys", "status"]).worked().contains(&format!("root key {old}: replaced on ")));
    let serving = Serving::start(&desk, &["serve"], port);
    let client = Client::new(&serving);
    assert_eq!(client.try_sign_in(GRACE, PASSWORD).await.location(), Some("/sign-in/code"));
    assert_eq!(client.post("/sign-in/code", &[("code", &used)]).await.status, 200, "a used code is still used");
    let client = Client::new(&serving);
    assert_eq!(client.try_sign_in(JAMES, PASSWORD).await.location(), Some("/sign-in/code"));
    assert_eq!(client.post("/sign-in/code", &[("code", &james.shows_at(SystemClock.now(), 30))]).await.status, 303);
    let patient = Client::new(&serving);
    patient.join_by_link(&link.replace("http://localhost:8080", &format!("http://localhost:{port}"))).await;
    assert!(patient.get(&format!("/appointment/{id}")).await.body.contains("Dr. Grace Hopper"));
    serving.terminate();
    let verified = desk.run(&["audit", "verify"]).worked();
    let heads = fs::read_to_string(desk.path("data/bedside.heads")).expect("heads");
    let signed: BTreeSet<i64> =
        heads.lines().filter_map(|line| serde_json::from_str::<Head>(line).ok()).map(|head| head.sequence).collect();
    assert!(signed.len() > 2 && verified.ends_with(&format!("{} signed heads match", signed.len())), "{verified}");
    let log = desk.run(&["audit", "export"]).worked();
    for detail in ["root_key", "data_keys", "second_steps"] {
        assert!(log.contains(&format!("\"detail\":\"{detail}\"")), "{detail}: {log}");
    }
}

/// The program is stopped, and both keys are given once.
#[test]
fn rewrapping_takes_the_old_key_from_the_command_line() {
    let desk = Desk::new();
    clinic(&desk);
    // Makes each of the three keys sign something.
    let port = free_port();
    Serving::start(&desk, &["serve"], port).terminate();
    let (key, before) = (desk.path("data/bedside.key"), desk.path("before"));
    let said = desk.run(&["keys", "rewrap", "--from", &key]).refused();
    assert!(said.contains("are the same"), "{said}");
    fs::rename(&key, &before).expect("moved");
    let first = status_under(&desk, &before);
    desk.run(&["keys", "rewrap", "--from", &before]).worked();
    assert_eq!(first, 3);
    assert_eq!(status(&desk).1, 3);
    // A second replacement keeps what is stored about the first key.
    let second = desk.path("second");
    Serving::start(&desk, &["serve"], port).terminate();
    fs::rename(&key, &second).expect("moved");
    desk.run(&["keys", "rewrap", "--from", &second]).worked();
    assert_eq!(desk.run(&["keys", "status"]).worked().matches("replaced on").count(), 2);
    let (third, other) = (desk.path("third"), [("BEDSIDE_DATABASE__KEY", before.as_str())]);
    fs::copy(&key, &third).expect("copied");
    let said = desk.run_with(&["keys", "rewrap", "--from", &third], &other).refused();
    assert!(said.contains("is retired"), "{said}");
    Serving::start(&desk, &["serve"], port).terminate();
    let verified = desk.run(&["audit", "verify"]).worked();
    assert!(verified.ends_with("3 signed heads match"), "{verified}");
}

/// Returns how many data keys are still encrypted with an old key.
fn status_under(desk: &Desk, old: &str) -> usize {
    let said = desk.run_with(&["keys", "status"], &[("BEDSIDE_DATABASE__OLD_KEY", old)]).worked();
    let line = said.lines().find(|line| line.contains("(old)")).expect("the old one");
    line.split(": ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|count| count.parse().ok())
        .expect("a number")
}

#[test]
fn data_keys_are_replaced_while_everything_stays_readable() {
    let desk = Desk::new();
    let (id, _) = clinic(&desk);
    assert_eq!(
        desk.run(&["keys", "rotate", "--older-than", "1"]).worked(),
        "data keys of 0 people and appointments rotated"
    );
    assert_eq!(desk.run(&["keys", "rotate"]).worked(), "data keys of 3 people and appointments rotated");
    assert_eq!(status(&desk).1, 3);
    desk.run(&["appointment", "link", &id]).worked();
    assert!(desk.run(&["audit", "export"]).worked().contains("\"action\":\"keys.rotated\""));
}
