//! Command-line interface.

pub(crate) mod details;
pub(crate) mod made;

use std::path::PathBuf;

use bedside_visit::permission::{ClinicRole, Grants};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

/// Video visits for clinics.
#[derive(Parser)]
#[command(name = "bedside", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Path of the configuration file. Without it, the defaults and the environment variables BEDSIDE_SECTION__KEY
    /// apply.
    #[arg(long, global = true, value_name = "FILE", env = "BEDSIDE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server until it receives a termination signal.
    Serve {
        /// TLS mode. Overrides `server.tls` in the configuration.
        #[arg(long, value_enum)]
        tls: Option<Tls>,
        /// Run a demo clinic: add a patient, a provider and an appointment due now, and print a link for each.
        #[arg(long)]
        demo: bool,
    },
    /// Migrate the database schema to the current version. `serve` does this at startup.
    Migrate,
    /// Validate the configuration, print every error and exit.
    CheckConfig,
    /// Manage users.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage appointments.
    #[command(subcommand)]
    Appointment(AppointmentCommand),
    /// Manage API clients (integrators).
    #[command(subcommand)]
    Integrator(IntegratorCommand),
    /// List data of old appointments that is past its retention period (`retention.days`). Delete it with --apply.
    Retention {
        /// Delete the data.
        #[arg(long)]
        apply: bool,
    },
    /// Verify or export the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Manage the keys that encrypt personal data in the database.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create a verified backup in a new folder. The server may be running.
    Backup {
        /// Folder to create. It must not exist yet.
        folder: PathBuf,
        /// Include the key files. Anyone with access to the folder can then read the clinic's records.
        #[arg(long)]
        with_keys: bool,
    },
    /// Replace the database with a backup and end all sessions. Stop the server first.
    Restore {
        /// Folder created by `bedside backup`.
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Show how many records are encrypted under each root key.
    Status,
    /// Re-encrypt everything that is encrypted under the previous root key with the current one (`database.key`).
    Rewrap {
        /// Path of the previous key file. Defaults to `database.old_key`.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Rotate the data keys of people and appointments, and re-encrypt their data.
    Rotate {
        /// Rotate only data keys that are at least this many days old.
        #[arg(long, value_name = "DAYS", default_value_t = 0)]
        older_than: u32,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify the whole audit log and report the first line that was altered.
    Verify {
        /// File of signed heads, one per line, such as a copy kept off-site. Defaults to the configured file.
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
    },
    /// Print the audit log, one JSON object per line.
    Export {
        /// Output format: the columns of the log (lines), or FHIR R4 AuditEvent resources (fhir).
        #[arg(long, value_enum, default_value = "lines")]
        format: ExportFormat,
        /// Export only entries after this sequence number.
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        after: i64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ExportFormat {
    Lines,
    Fhir,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Tls {
    /// Generate a self-signed certificate at startup, for testing with a phone on the local network.
    SelfSigned,
    /// Do not use TLS.
    Off,
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user and print the user ID. A user with an e-mail address can sign in: the password is read from
    /// BEDSIDE_PASSWORD, or from standard input if that is not set.
    Add(UserArgs),
    /// Disable an account: end all its sessions and disconnect the user from any visit.
    Disable {
        /// User ID or e-mail address.
        user: String,
    },
    /// Reset a user's two-factor authentication (TOTP), for example after a lost phone.
    ForgetSecondStep {
        /// User ID or e-mail address.
        user: String,
    },
    /// Remove a user's passkeys and end all the user's sessions, for example after a lost device.
    ForgetPasskeys {
        /// User ID or e-mail address.
        user: String,
    },
    /// Unlink a user, or all users, from the OpenID provider. Use it after the provider has moved or its subject
    /// identifiers have changed. Accounts without a password are matched by e-mail address at the next sign-in.
    ForgetProvider {
        /// User ID or e-mail address.
        #[arg(required_unless_present = "all")]
        user: Option<String>,
        /// Unlink all users.
        #[arg(long, conflicts_with = "user")]
        all: bool,
        /// Issuer URL that the links were made with. Defaults to `oidc.issuer`.
        #[arg(long, value_name = "URL")]
        issuer: Option<String>,
    },
    /// Print a link with which a user sets a new or first password. The link expires after 30 minutes: send it only to
    /// that user.
    Reset {
        /// E-mail address of the user.
        email: String,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Enable a disabled account.
    Enable {
        /// User ID or e-mail address.
        user: String,
    },
    /// Change a user's clinic role: staff (the front desk), admin, or none.
    SetClinicRole {
        /// User ID or e-mail address.
        user: String,
        /// staff, admin or none.
        #[arg(value_parser = clinic_role_or_none)]
        role: std::option::Option<ClinicRole>,
    },
}

#[derive(Args)]
pub(crate) struct UserArgs {
    /// Read the details from a TOML file, or from standard input (-): name, email, specialty, birth_date and
    /// clinic_role. Command-line arguments are visible to other users of the machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Display name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// E-mail address to sign in with. A user without one joins visits with a patient link.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Create the account without a password. The user signs in through the OpenID provider with this e-mail address.
    #[arg(long)]
    pub(crate) no_password: bool,
    /// Specialty of a provider.
    #[arg(long)]
    pub(crate) specialty: Option<String>,
    /// Date of birth of a patient, YYYY-MM-DD.
    #[arg(long)]
    pub(crate) birth_date: Option<Date>,
    /// Clinic role: staff (the front desk) or admin.
    #[arg(long, value_parser = clinic_role)]
    pub(crate) clinic_role: Option<ClinicRole>,
    /// Print a JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum AppointmentCommand {
    /// Book an appointment and print its ID and the patient link.
    Add(AppointmentArgs),
    /// Create and print a new patient link. Unused earlier links stop working.
    Link {
        /// Appointment ID.
        id: String,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Cancel an appointment.
    Cancel {
        /// Appointment ID.
        id: String,
    },
    /// Place an appointment under legal hold: none of its data is deleted, regardless of the retention period.
    Hold {
        /// Appointment ID.
        id: String,
    },
    /// Release an appointment from legal hold.
    Release {
        /// Appointment ID.
        id: String,
    },
    /// List consents given and withdrawn in an appointment, with the version of the terms, one JSON object per line.
    Consents {
        /// Appointment ID.
        id: String,
    },
}

#[derive(Args)]
pub(crate) struct AppointmentArgs {
    /// Read the details from a TOML file, or from standard input (-): patient, provider, at, minutes, type, reason and
    /// call_backend. Command-line arguments are visible to other users of the machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Patient: user ID or e-mail address.
    #[arg(long)]
    pub(crate) patient: Option<String>,
    /// Provider: user ID or e-mail address.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// Start time in RFC 3339 format, such as 2026-11-23T14:00:00+01:00, or "now".
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// Duration in minutes. Defaults to 30.
    #[arg(long)]
    pub(crate) minutes: Option<u32>,
    /// Visit type. Defaults to "Visit".
    #[arg(long = "type")]
    pub(crate) kind: Option<String>,
    /// Reason for the visit.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Call backend: embedded or cometchat. Defaults to `visits.call_backend`.
    #[arg(long)]
    pub(crate) call_backend: Option<String>,
    /// Print a JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum IntegratorCommand {
    /// Add an API client (integrator) and print its ID, client ID and client secret. The secret is shown only once.
    Add {
        /// Display name of the integrator.
        #[arg(long)]
        name: String,
        /// Scopes that its tokens may have, separated by spaces: appointments:read, appointments:write, people:write.
        #[arg(long, default_value = "appointments:read appointments:write people:write")]
        scope: Grants,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Add a client key to an integrator and print its client ID and secret. Existing keys stay valid.
    AddKey {
        /// Integrator ID.
        id: String,
        /// Scopes that its tokens may have, separated by spaces.
        #[arg(long, default_value = "appointments:read appointments:write people:write")]
        scope: Grants,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a client key and invalidate its tokens.
    RemoveKey {
        /// Client ID.
        client_id: String,
    },
    /// Accept join tokens signed by an integrator. The given keys replace any registered earlier for the issuer.
    Trust {
        /// Integrator ID.
        id: String,
        /// Issuer (`iss`) of its tokens.
        #[arg(long)]
        issuer: String,
        /// File with its public keys, as a JWK Set (RFC 7517).
        #[arg(long, value_name = "FILE")]
        jwks: PathBuf,
        /// Also accept tokens for providers: the integrator vouches for their two-factor authentication. Otherwise
        /// tokens are accepted only for patients and companions.
        #[arg(long)]
        providers: bool,
    },
    /// Stop accepting join tokens of an integrator.
    Distrust {
        /// Integrator ID.
        id: String,
        /// Issuer (`iss`) of its tokens.
        #[arg(long)]
        issuer: String,
    },
}

/// Parses a clinic role. Rejects the integrator role, which only `bedside integrator add` assigns.
pub(crate) fn clinic_role(text: &str) -> Result<ClinicRole, String> {
    let role = text.parse().ok().filter(|role| *role != ClinicRole::Integrator);
    role.ok_or_else(|| "must be staff or admin".to_owned())
}

fn clinic_role_or_none(text: &str) -> Result<Option<ClinicRole>, String> {
    if text == "none" { Ok(None) } else { clinic_role(text).map(Some) }
}
