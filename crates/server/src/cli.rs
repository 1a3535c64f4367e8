//! The command line.

use std::path::PathBuf;

use bedside_visit::permission::{ClinicRole, Grants};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

/// Video visits for clinics.
#[derive(Parser)]
#[command(name = "bedside", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The configuration file. Without one the defaults and the environment (BEDSIDE_SECTION__KEY) hold.
    #[arg(long, global = true, value_name = "FILE", env = "BEDSIDE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer requests until told to stop.
    Serve {
        /// Encryption, over what the configuration says.
        #[arg(long, value_enum)]
        tls: Option<Tls>,
        /// Run a demo clinic: adds two people and an appointment that is due now, and prints a link for each.
        #[arg(long)]
        demo: bool,
    },
    /// Bring the database up to date. `serve` does it by itself.
    Migrate,
    /// Read the configuration, name every fault, and stop.
    CheckConfig,
    /// People.
    #[command(subcommand)]
    User(UserCommand),
    /// Bookings.
    #[command(subcommand)]
    Appointment(AppointmentCommand),
    /// Other programs that use the API.
    #[command(subcommand)]
    Integrator(IntegratorCommand),
    /// Say what of old appointments is to be removed (`retention.days`), and with --apply remove it.
    Retention {
        /// Remove it.
        #[arg(long)]
        apply: bool,
    },
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The keys that names and what people write are sealed with.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make a checked backup in a new folder, while the program runs or not.
    Backup {
        /// The folder, which must not exist yet.
        folder: PathBuf,
        /// Put the key files in it too. Anyone who has the folder can then read the clinic's records.
        #[arg(long)]
        with_keys: bool,
    },
    /// Put a backup in the place of the database, and end every session. Stop the program first.
    Restore {
        /// The folder that `bedside backup` made.
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Say how much is sealed under which root key.
    Status,
    /// Put everything under the present root key (`database.key`) that is under the one before it.
    Rewrap {
        /// The key file of before. Without it, `database.old_key`.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Give people and appointments other data keys, and seal what belongs to them anew.
    Rotate {
        /// Only those whose keys are that many days old.
        #[arg(long, value_name = "DAYS", default_value_t = 0)]
        older_than: u32,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Read all of it, and name the first line that is not as it was written.
    Verify {
        /// Signed heads, one a line, such as a copy that was kept elsewhere. Without it, those of the configuration.
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
    },
    /// Print it, one JSON object a line.
    Export {
        /// As its columns are, or as AuditEvent resources of FHIR R4.
        #[arg(long, value_enum, default_value = "lines")]
        format: ExportFormat,
        /// Only lines after this one.
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
    /// A certificate made at start, to try a phone on the local network.
    SelfSigned,
    /// None.
    Off,
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a person, and print their id. With an e-mail address they can sign in: the password is read from
    /// BEDSIDE_PASSWORD, or else from standard input.
    Add(UserArgs),
    /// Disable an account: signed out on every device, and out of any visit.
    Disable {
        /// Their id or e-mail address.
        user: String,
    },
    /// Reset a user's two-factor authentication: they have lost the app with their codes.
    ForgetSecondStep {
        /// Their id or e-mail address.
        user: String,
    },
    /// Remove a user's passkeys, and sign them out on every device: they have lost the device.
    ForgetPasskeys {
        /// Their id or e-mail address.
        user: String,
    },
    /// Remove a person's connection with the OpenID provider, or everybody's: after the provider moved, or gave people
    /// other subject identifiers. Those without a password are found by their e-mail address at the next sign-in.
    ForgetProvider {
        /// Their id or e-mail address.
        #[arg(required_unless_present = "all")]
        user: Option<String>,
        /// Everybody's.
        #[arg(long, conflicts_with = "user")]
        all: bool,
        /// The provider, as it named itself then. Without it, `oidc.issuer`.
        #[arg(long, value_name = "URL")]
        issuer: Option<String>,
    },
    /// Print a link with which a person sets a new password, or their first. It is good for half an hour: see to it that
    /// it reaches them and nobody else.
    Reset {
        /// Their e-mail address.
        email: String,
        /// Print a JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Enable an account again.
    Enable {
        /// Their id or e-mail address.
        user: String,
    },
    /// Change a user's clinic role: staff (the front desk), admin, or none.
    SetClinicRole {
        /// Their id or e-mail address.
        user: String,
        /// staff, admin or none.
        #[arg(value_parser = clinic_role_or_none)]
        role: std::option::Option<ClinicRole>,
    },
}

#[derive(Args)]
pub(crate) struct UserArgs {
    /// Read what follows from a TOML file instead, or from standard input (-): name, email, specialty, birth_date and
    /// clinic_role. Other users of this machine can see what is on a command line.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The name others see.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The sign-in name. Without one the person comes by patient link.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Give the account no password: the person signs in through the OpenID provider with this e-mail address.
    #[arg(long)]
    pub(crate) no_password: bool,
    /// A provider's field.
    #[arg(long)]
    pub(crate) specialty: Option<String>,
    /// A patient's date of birth, YYYY-MM-DD.
    #[arg(long)]
    pub(crate) birth_date: Option<Date>,
    /// What they are in the clinic as a whole: staff (the front desk) or admin.
    #[arg(long, value_parser = clinic_role)]
    pub(crate) clinic_role: Option<ClinicRole>,
    /// Print a JSON object instead.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum AppointmentCommand {
    /// Book an appointment, and print its id and the patient's link.
    Add(AppointmentArgs),
    /// Make a new patient link, and print it. Unused ones stop working.
    Link {
        /// The appointment's id.
        id: String,
        /// Print a JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Cancel an appointment.
    Cancel {
        /// The appointment's id.
        id: String,
    },
    /// Put an appointment under legal hold: nothing of it is removed, however old it is.
    Hold {
        /// The appointment's id.
        id: String,
    },
    /// Lift a legal hold.
    Release {
        /// The appointment's id.
        id: String,
    },
    /// Print who agreed to the clinic's terms in it, or took it back, and to which: one JSON object a line.
    Consents {
        /// The appointment's id.
        id: String,
    },
}

#[derive(Args)]
pub(crate) struct AppointmentArgs {
    /// Read what follows from a TOML file instead, or from standard input (-): patient, provider, at, minutes, type, reason
    /// and call_backend. Other users of this machine can see what is on a command line.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The patient: an id or an e-mail address.
    #[arg(long)]
    pub(crate) patient: Option<String>,
    /// The provider: an id or an e-mail address.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// When, RFC 3339, such as 2026-11-23T14:00:00+01:00; or "now".
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// Minutes; 30 if it is not given.
    #[arg(long)]
    pub(crate) minutes: Option<u32>,
    /// Visit type; "Visit" if it is not given.
    #[arg(long = "type")]
    pub(crate) kind: Option<String>,
    /// Reason for the visit.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Call backend: embedded or cometchat. As the configuration says, if it is not given.
    #[arg(long)]
    pub(crate) call_backend: Option<String>,
    /// Print a JSON object instead.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum IntegratorCommand {
    /// Add an integrator, and print its id, its client id and its client secret. The secret is shown once.
    Add {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What its tokens may be for: appointments:read, appointments:write, people:write, with a space between two.
        #[arg(long, default_value = "appointments:read appointments:write people:write")]
        scope: Grants,
        /// Print a JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Give a program another key, and print its client id and secret. The ones it has stay good.
    AddKey {
        /// The program's id.
        id: String,
        /// What its tokens may be for.
        #[arg(long, default_value = "appointments:read appointments:write people:write")]
        scope: Grants,
        /// Print a JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a client key and invalidate its tokens.
    RemoveKey {
        /// The client id.
        client_id: String,
    },
    /// Take join tokens that a program signs. Keys that were given before are good for nothing from now on.
    Trust {
        /// The program's id.
        id: String,
        /// The name it puts in its tokens (iss).
        #[arg(long)]
        issuer: String,
        /// A file with its public keys, a JWK Set (RFC 7517).
        #[arg(long, value_name = "FILE")]
        jwks: PathBuf,
        /// Also take tokens for providers: the program vouches for their two-factor authentication. Without it, for
        /// patients and companions alone.
        #[arg(long)]
        providers: bool,
    },
    /// Take no join tokens of a program any more.
    Distrust {
        /// The program's id.
        id: String,
        /// The name it puts in its tokens (iss).
        #[arg(long)]
        issuer: String,
    },
}

/// Programs are added with `bedside integrator add`.
pub(crate) fn clinic_role(text: &str) -> Result<ClinicRole, String> {
    let role = text.parse().ok().filter(|role| *role != ClinicRole::Integrator);
    role.ok_or_else(|| "staff or admin".to_owned())
}

fn clinic_role_or_none(text: &str) -> Result<Option<ClinicRole>, String> {
    if text == "none" { Ok(None) } else { clinic_role(text).map(Some) }
}
