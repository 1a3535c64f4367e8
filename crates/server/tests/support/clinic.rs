//! Users and appointments.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside::NewKey;
use bedside::operator::Operator;
use bedside_store::{AuditRow, NewUser, PasswordHash, Store};
use bedside_visit::permission::ClinicRole;
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, Clock as _, OwnWork, Participants, Person, Private, Timestamp,
    UserId,
};
use jiff::civil::date;
use uuid::Uuid;

use super::client::{Client, Reply};
use super::server::Server;

/// The password of all users.
pub(crate) const PASSWORD: &str = "plaid otter sings softly";

/// A user who can sign in with [`PASSWORD`].
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) person: Person,
    pub(crate) email: String,
}

impl Account {
    pub(crate) fn id(&self) -> UserId {
        self.person.id
    }

    pub(crate) fn name(&self) -> &str {
        self.person.name.reveal()
    }
}

/// The start time of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Now: both participants can join.
    Now,
    /// In three hours: patients cannot join yet.
    Later,
    /// Two days ago: the time to join is over.
    Earlier,
}

/// A token request for all scopes of a key (RFC 6749, section 4.4.2).
pub(crate) const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

impl Server {
    /// Books an appointment of the clinic's patient with its provider.
    pub(crate) async fn book(&self, when: When) -> Appointment {
        self.book_for(&self.patient.person, &self.provider.person, when).await
    }

    /// Books an appointment of two users for 30 minutes, as the operator.
    pub(crate) async fn book_for(&self, patient: &Person, provider: &Person, when: When) -> Appointment {
        self.book_by(None, patient, provider, when).await
    }

    /// Books an appointment of two users for 30 minutes.
    pub(crate) async fn book_by(
        &self,
        booked_by: Option<UserId>,
        patient: &Person,
        provider: &Person,
        when: When,
    ) -> Appointment {
        let now = self.clock.now();
        let start = match when {
            When::Now => now,
            When::Later => now + Duration::from_secs(3 * 3600),
            When::Earlier => now - Duration::from_secs(48 * 3600),
        };
        let participants = Participants::two(patient.clone(), provider.clone());
        let appointment = Appointment {
            id: AppointmentId::new(Uuid::now_v7()),
            // Appointments start at whole minutes.
            start: Timestamp::from_millis(start.as_millis() / 60_000 * 60_000),
            duration: Duration::from_secs(30 * 60),
            kind: "Follow-up".to_owned(),
            reason: Some("Blood pressure check".into()),
            status: AppointmentStatus::Booked,
            participants,
            backend: self.config.visits.call_backend,
            booked_by,
        };
        let mut transaction = self.store.begin().await.expect("begin");
        transaction.insert_appointment(&appointment, now).await.expect("booked");
        transaction.commit().await.expect("commit");
        appointment
    }

    /// Returns the date in this many days, as forms submit it.
    pub(crate) fn in_days(&self, days: i64) -> String {
        let at = self.clock.now().as_millis() + days * 86_400_000;
        jiff::Timestamp::from_millisecond(at).expect("a time").to_string()[..10].to_owned()
    }

    /// Cancels an appointment as an operator.
    pub(crate) async fn cancel(&self, id: AppointmentId) {
        self.operator().cancel_appointment(id).await.expect("cancelled");
    }

    /// Creates a patient link. Unused links stop working.
    pub(crate) async fn link(&self, id: AppointmentId) -> String {
        self.operator().new_link(id).await.expect("a link")
    }

    /// Adds a user, with an account if there is an e-mail address.
    pub(crate) async fn add_person(&self, name: &str, email: Option<&str>) -> Account {
        let account = account(name, email.unwrap_or_default(), None);
        insert(&*self.store, &account, self.clock.now()).await;
        account
    }

    /// Adds a user with a clinic role who can sign in.
    pub(crate) async fn add_clerk(&self, name: &str, email: &str, role: ClinicRole) -> Account {
        let account = self.add_person(name, Some(email)).await;
        self.operator().set_clinic_role(email, Some(role)).await.expect("given");
        account
    }

    /// Adds an integrator.
    pub(crate) async fn add_program(&self, name: &str, scopes: &str) -> NewKey {
        self.operator().add_integrator(name, scopes.parse().expect("scopes")).await.expect("added")
    }

    /// Requests an access token for an integrator's key.
    pub(crate) async fn token_of(&self, key: &NewKey) -> String {
        let reply = self.ask_token(key.client_id, key.client_secret.reveal(), &GRANT).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn ask_token(&self, id: Uuid, secret: &str, fields: &[(&str, &str)]) -> Reply {
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        let client = self.client();
        let request = client.request(reqwest::Method::POST, "/api/token").origin(None);
        request.header("authorization", &format!("Basic {basic}")).form(fields).send().await
    }

    /// Returns a client for an integrator.
    pub(crate) async fn program(&self, key: &NewKey) -> Client {
        self.client().with_token(&self.token_of(key).await)
    }

    /// Adds a companion and returns the browser with which they joined by link.
    pub(crate) async fn companion(&self, visit: AppointmentId, name: &str, role: &str) -> (UserId, Client) {
        let (user, link) = self.companion_link(visit, name, role).await;
        let client = self.client();
        client.join_by_link(&link).await;
        (user, client)
    }

    /// Adds a companion, and returns their link.
    pub(crate) async fn companion_link(&self, visit: AppointmentId, name: &str, role: &str) -> (UserId, String) {
        let grace = self.sign_in(&self.provider).await;
        let body = serde_json::json!({ "name": name, "role": role });
        let made = grace.post_json(&format!("/api/appointments/{visit}/companions"), &body).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let made = made.json();
        let text = |field: &str| made["data"][field].as_str().expect("a text").to_owned();
        (text("userId").parse().expect("an id"), text("url"))
    }

    /// Disables a user.
    pub(crate) async fn disable(&self, user: UserId) {
        let mut transaction = self.store.begin().await.expect("begin");
        assert!(transaction.update_disabled(user, Some(self.clock.now())).await.expect("disabled"));
        transaction.commit().await.expect("commit");
    }

    /// Returns an appointment's status in the database.
    pub(crate) async fn status(&self, id: AppointmentId) -> AppointmentStatus {
        let booked = self.store.get_appointment(id).await.expect("read").expect("the appointment exists");
        booked.unseal_for(OwnWork::Operator).status
    }

    /// Returns the whole audit log.
    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        self.store.list_audit(0, 10_000).await.expect("read")
    }

    pub(crate) fn operator(&self) -> Operator {
        let clock = Arc::clone(&self.clock) as Arc<dyn bedside_visit::Clock>;
        let (rules, backend) = (self.config.rules(), self.config.visits.call_backend);
        Operator { store: Arc::clone(&self.store), clock, rules, backend, public_url: self.origin.clone() }
    }
}

/// Adds a patient, a provider, another patient and another provider.
pub(super) async fn seed(store: &dyn Store, now: Timestamp) -> [Account; 4] {
    let mut patient = account("Ada Lovelace", "ada@example.org", None);
    patient.person.birth_date = Some(Private::new(date(1985, 12, 10)));
    let everyone = [
        patient,
        account("Dr. Grace Hopper", "grace@example.org", Some("Family medicine")),
        account("Mary Somerville", "mary@example.org", None),
        account("Dr. James Barry", "james@example.org", Some("Surgery")),
    ];
    for account in &everyone {
        insert(store, account, now).await;
    }
    everyone
}

fn account(name: &str, email: &str, specialty: Option<&str>) -> Account {
    let person = Person {
        id: UserId::new(Uuid::now_v7()),
        name: name.into(),
        specialty: specialty.map(str::to_owned),
        birth_date: None,
        avatar_url: None,
    };
    Account { person, email: email.to_owned() }
}

async fn insert(store: &dyn Store, account: &Account, now: Timestamp) {
    let email = Some(&account.email).filter(|email| !email.is_empty());
    let user = NewUser {
        person: account.person.clone(),
        email: email.map(|email| email.parse().expect("an address")),
        password_hash: email.map(|_| PasswordHash::new(password_hash().to_owned())),
    };
    let mut transaction = store.begin().await.expect("begin");
    transaction.insert_user(&user, now).await.expect("added");
    transaction.commit().await.expect("commit");
}

/// Returns the hash of [`PASSWORD`], computed once with the smallest parameters. Verification reads the parameters from
/// the hash.
fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let params = Params::new(8, 1, 1, None).expect("the smallest");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password(PASSWORD.as_bytes()).expect("hashed").to_string()
    })
}
