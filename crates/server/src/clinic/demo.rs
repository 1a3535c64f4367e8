//! Demo clinic: one provider, one patient, an appointment that is due now, and a link for each person.

use std::sync::Arc;
use std::time::Duration;

use bedside_store::{Account, NewUser, Store};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, CallBackend, Clock, EmailAddress, OwnWork, Participants, Person,
    Timestamp, UserId,
};
use jiff::civil::date;
use uuid::Uuid;

use crate::app::clock::fresh_id;
pub use crate::auth::DemoSignIn;
use crate::auth::SecretToken;
use crate::clinic::invites::{add_invite, invite_url};
use crate::config::Config;
use crate::http::error::Error;

const PROVIDER_EMAIL: &str = "grace@demo.invalid";
const PATIENT: UserId = UserId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_00a1));
/// User ID of the demo's provider.
pub(crate) const PROVIDER: UserId = UserId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_00b2));

/// Links to be printed.
#[derive(Debug, Clone)]
pub struct DemoLinks {
    /// Opens the visit as its provider.
    pub provider: String,
    /// Opens the visit as its patient.
    pub patient: String,
}

/// Creates the demo's users if they are missing, finds or books an appointment that is due now, and creates both links.
///
/// # Errors
/// If the database fails, as a sentence.
pub async fn prepare(
    store: &Arc<dyn Store>,
    clock: &dyn Clock,
    config: &Config,
) -> Result<(DemoSignIn, DemoLinks), String> {
    seed(store, clock.now(), config).await.map_err(|error| error.problem().detail)
}

async fn seed(store: &Arc<dyn Store>, now: Timestamp, config: &Config) -> Result<(DemoSignIn, DemoLinks), Error> {
    let public_url = &config.server.public_url;
    let due = find_due(store, now).await?;
    let mut transaction = store.begin().await?;
    let email: EmailAddress = PROVIDER_EMAIL.parse().map_err(|_| Error::Internal)?;
    let known: Option<Account> = transaction.get_account(&email).await?;
    if known.is_none() {
        let (patient, provider) = people();
        transaction.insert_user(&NewUser { person: patient, email: None, password_hash: None }, now).await?;
        let provider = NewUser { person: provider, email: Some(email), password_hash: None };
        transaction.insert_user(&provider, now).await?;
    }
    let appointment = match due {
        Some(appointment) => appointment,
        None => {
            let appointment = due_now(now, config.visits.call_backend);
            transaction.insert_appointment(&appointment, now).await?;
            appointment
        }
    };
    let invite = add_invite(
        &mut *transaction,
        &appointment,
        appointment.participants.patient.id,
        appointment.closes(&config.rules()),
        None,
        now,
    )
    .await?;
    transaction.commit().await?;
    let sign_in = DemoSignIn::new(SecretToken::draw()?, appointment.id);
    let links = DemoLinks {
        provider: format!("{public_url}/demo/{}", sign_in.token.reveal()),
        patient: invite_url(public_url, &invite),
    };
    Ok((sign_in, links))
}

/// Returns an appointment of the demo that is not over.
async fn find_due(store: &Arc<dyn Store>, now: Timestamp) -> Result<Option<Appointment>, Error> {
    let hour = Duration::from_secs(3600);
    let near = store.list_appointments(PROVIDER, now - hour, now + hour).await?;
    Ok(near.into_iter().map(|sealed| sealed.unseal_for(OwnWork::Operator)).find(|appointment| {
        matches!(appointment.status, AppointmentStatus::Booked | AppointmentStatus::Arrived) && appointment.end() > now
    }))
}

/// Returns the demo's patient and provider.
pub(crate) fn people() -> (Person, Person) {
    let patient = Person {
        id: PATIENT,
        name: "Ada Lovelace".into(),
        specialty: None,
        birth_date: Some(bedside_visit::Private::new(date(1985, 12, 10))),
        avatar_url: None,
    };
    let provider = Person {
        id: PROVIDER,
        name: "Dr. Grace Hopper".into(),
        specialty: Some("Family medicine".to_owned()),
        birth_date: None,
        avatar_url: None,
    };
    (patient, provider)
}

fn due_now(now: Timestamp, backend: CallBackend) -> Appointment {
    let (patient, provider) = people();
    let minute = 60_000;
    Appointment {
        id: AppointmentId::new(fresh_id()),
        start: Timestamp::from_millis(now.as_millis() / minute * minute),
        duration: Duration::from_secs(30 * 60),
        kind: "Follow-up".to_owned(),
        reason: Some("Blood pressure check".into()),
        status: AppointmentStatus::Booked,
        participants: Participants::two(patient, provider),
        backend,
        booked_by: None,
    }
}
