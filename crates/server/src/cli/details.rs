//! Details for `user add` and `appointment add`, from flags or from a file. Command-line arguments are visible to every
//! user of the machine and stay in the shell history, so patient details belong in a file or in standard input.

use std::io::Read as _;
use std::path::Path;

use bedside::SystemClock;
use bedside::operator::{AppointmentToAdd, UserToAdd};
use bedside_visit::{Clock as _, EmailAddress, Timestamp};
use figment::Figment;
use figment::providers::{Format as _, Toml};
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli::{AppointmentArgs, UserArgs, clinic_role};
use crate::{Failure, read_password, warn};

/// File for `user add --from`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UserFile {
    name: Option<String>,
    email: Option<String>,
    specialty: Option<String>,
    birth_date: Option<String>,
    clinic_role: Option<String>,
}

/// File for `appointment add --from`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AppointmentFile {
    patient: Option<String>,
    provider: Option<String>,
    at: Option<String>,
    minutes: Option<u32>,
    r#type: Option<String>,
    reason: Option<String>,
    call_backend: Option<String>,
}

/// Returns the user to add. Flags take precedence over the file.
pub(crate) fn user(given: UserArgs) -> Result<UserToAdd, Failure> {
    warn_of_flags([("--name", given.name.is_some()), ("--birth-date", given.birth_date.is_some())]);
    let file: UserFile = read(given.from.as_deref())?;
    let email = given.email.or(file.email).as_deref().map(str::parse::<EmailAddress>).transpose()?;
    let birth_date = file.birth_date.map(|text| text.parse::<Date>()).transpose();
    let birth_date = birth_date.map_err(|error| format!("birth_date: {error}"))?;
    let role = file.clinic_role.as_deref().map(clinic_role).transpose();
    let role = role.map_err(|wanted| format!("clinic_role: {wanted}"))?;
    // Reads the password last: if the details come from standard input, they have been read by now.
    if given.no_password && email.is_none() {
        return Err("--no-password requires an e-mail address: use --email, or email in a file (--from)".into());
    }
    let password = if email.is_some() && !given.no_password { Some(read_password()?.into()) } else { None };
    Ok(UserToAdd {
        name: given.name.or(file.name).ok_or("name is missing: use --name, or name in a file (--from)")?,
        email,
        password,
        specialty: given.specialty.or(file.specialty),
        birth_date: given.birth_date.or(birth_date),
        clinic_role: given.clinic_role.or(role),
    })
}

/// Returns the appointment to book. Flags take precedence over the file.
pub(crate) fn appointment(given: AppointmentArgs) -> Result<AppointmentToAdd, Failure> {
    warn_of_flags([("--type", given.kind.is_some()), ("--reason", given.reason.is_some())]);
    let file: AppointmentFile = read(given.from.as_deref())?;
    let at = given.at.or(file.at).ok_or("start time is missing: use --at, or at in a file (--from)")?;
    let start = if at == "now" {
        SystemClock.now()
    } else {
        let start: jiff::Timestamp = at.parse().map_err(|error| format!("--at {at:?}: {error}"))?;
        Timestamp::from_millis(start.as_millisecond())
    };
    let backend = given.call_backend.or(file.call_backend);
    Ok(AppointmentToAdd {
        patient: given.patient.or(file.patient).ok_or("patient is missing: use --patient")?,
        provider: given.provider.or(file.provider).ok_or("provider is missing: use --provider")?,
        start,
        minutes: given.minutes.or(file.minutes).unwrap_or(30),
        kind: given.kind.or(file.r#type).unwrap_or_else(|| "Visit".to_owned()),
        reason: given.reason.or(file.reason),
        backend: backend.map(|text| text.parse()).transpose()?,
    })
}

fn read<T: DeserializeOwned + Default>(file: Option<&Path>) -> Result<T, Failure> {
    let Some(file) = file else { return Ok(T::default()) };
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Figment::from(Toml::string(&text)).extract().map_err(|error| format!("{}: {error}", file.display()))?)
}

fn warn_of_flags<const N: usize>(flags: [(&str, bool); N]) {
    let given: Vec<&str> = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
    if !given.is_empty() {
        warn(&format!(
            "other users of this machine can see {} in the process list, and the shell history keeps it: use --from \
             for patient details",
            given.join(" and ")
        ));
    }
}
