//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bedside::config::{Config, TlsConfig};
use bedside::operator::{AppointmentToAdd, Operator, UserToAdd};
use bedside::{
    AuditFormat, Keys, NewKey, Program, SystemClock, check_build, check_cometchat, check_mail, demo, describe_keys,
    export_audit, listen, local_address, log_filter, open_store, rewrap_keys, rotate_keys, verify_audit,
};
use bedside_visit::permission::{ClinicRole, Grants};
use bedside_visit::{AppointmentId, EmailAddress, Timestamp, UserId};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Video visits for clinics.
#[derive(Parser)]
#[command(name = "bedside", version, arg_required_else_help = true)]
struct Cli {
    /// The configuration file. Without one the defaults and the environment (BEDSIDE_SECTION__KEY) hold.
    #[arg(long, global = true, value_name = "FILE", env = "BEDSIDE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
}

#[derive(Subcommand)]
enum KeysCommand {
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
enum AuditCommand {
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
enum ExportFormat {
    Lines,
    Fhir,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tls {
    /// A certificate made at start, to try a phone on the local network.
    SelfSigned,
    /// None.
    Off,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a person, and print their id. With an e-mail address they can sign in: the password is read from
    /// BEDSIDE_PASSWORD, or else from standard input.
    Add(UserArgs),
    /// Shut a person out: signed out everywhere, and out of any visit.
    Disable {
        /// Their id or e-mail address.
        user: String,
    },
    /// Take a person's second step of signing in away: they have lost the app with their codes.
    ForgetSecondStep {
        /// Their id or e-mail address.
        user: String,
    },
    /// Print a link with which a person sets a new password, or their first. It is good for half an hour: see to it that
    /// it reaches them and nobody else.
    Reset {
        /// Their e-mail address.
        email: String,
    },
    /// Let a person in again.
    Enable {
        /// Their id or e-mail address.
        user: String,
    },
    /// Give a person another place in the clinic: staff (the front desk), admin, or none.
    SetClinicRole {
        /// Their id or e-mail address.
        user: String,
        /// staff, admin or none.
        #[arg(value_parser = clinic_role_or_none)]
        role: std::option::Option<ClinicRole>,
    },
}

#[derive(Args)]
struct UserArgs {
    /// The name others see.
    #[arg(long)]
    name: String,
    /// The sign-in name. Without one the person comes by patient link.
    #[arg(long)]
    email: Option<String>,
    /// A provider's field.
    #[arg(long)]
    specialty: Option<String>,
    /// A patient's date of birth, YYYY-MM-DD.
    #[arg(long)]
    birth_date: Option<Date>,
    /// What they are in the clinic as a whole: staff (the front desk) or admin.
    #[arg(long, value_parser = clinic_role)]
    clinic_role: Option<ClinicRole>,
}

#[derive(Subcommand)]
enum AppointmentCommand {
    /// Book an appointment, and print its id and the patient's link.
    Add(AppointmentArgs),
    /// Make a new patient link. Unused ones stop working.
    Link {
        /// The appointment's id.
        id: String,
    },
    /// Call an appointment off.
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
struct AppointmentArgs {
    /// The patient: an id or an e-mail address.
    #[arg(long)]
    patient: String,
    /// The provider: an id or an e-mail address.
    #[arg(long)]
    provider: String,
    /// When, RFC 3339, such as 2026-11-23T14:00:00+01:00; or "now".
    #[arg(long)]
    at: String,
    /// Minutes.
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    /// What kind of visit.
    #[arg(long = "type", default_value = "Visit")]
    kind: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// Who is to carry the call: embedded or cometchat. As the configuration says, if it is not given.
    #[arg(long)]
    call_backend: Option<String>,
}

#[derive(Subcommand)]
enum IntegratorCommand {
    /// Add a program, and print its id, its client id and its client secret.
    Add {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What its tokens may be for: appointments:read, appointments:write, people:write, with a space between two.
        #[arg(long, default_value = "appointments:read appointments:write people:write")]
        scope: Grants,
    },
    /// Give a program another key, and print its client id and secret. The ones it has stay good.
    AddKey {
        /// The program's id.
        id: String,
        /// What its tokens may be for.
        #[arg(long, default_value = "appointments:read appointments:write people:write")]
        scope: Grants,
    },
    /// Take a key away. Tokens that were got with it are good for nothing from now on.
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

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = log_filter(std::env::var("BEDSIDE_LOG").as_deref().unwrap_or("info"));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(log).init();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&*failure);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the operator's terminal")]
fn complain(failure: &dyn std::error::Error) {
    for line in failure.to_string().lines() {
        eprintln!("bedside: {line}");
    }
    let mut source = failure.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

#[expect(clippy::print_stdout, reason = "the operator's terminal")]
fn say(line: &str) {
    println!("{line}");
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let mut config = Config::load(cli.config.as_deref())?;
    match cli.command {
        Command::Serve { tls, demo } => {
            apply(&mut config, tls);
            config.validate()?;
            serve(config, demo).await?;
        }
        Command::Migrate => {
            let store = open_store(&config).await?;
            let pending = store.pending_migrations().await?;
            store.migrate().await?;
            say(&format!("{pending} migrations applied; the database is up to date"));
            store.close().await;
        }
        Command::CheckConfig => {
            check_build(&config)?;
            say("the configuration is valid");
            if let Some(cometchat) = &config.cometchat {
                check_cometchat(cometchat).await?;
                say("CometChat takes the key");
            }
            if config.mail.is_some() {
                check_mail(&config).await?;
                say("the mail server lets us in");
            }
        }
        Command::User(command) => {
            let operator = operator(&config).await?;
            match command {
                UserCommand::Add(user) => say(&operator.add_user(user.try_into()?).await?.to_string()),
                UserCommand::Disable { user } => operator.set_disabled(&user, true).await?,
                UserCommand::ForgetSecondStep { user } => operator.forget_second_step(&user).await?,
                UserCommand::Reset { email } => say(&operator.reset_password(&email.parse::<EmailAddress>()?).await?),
                UserCommand::Enable { user } => operator.set_disabled(&user, false).await?,
                UserCommand::SetClinicRole { user, role } => operator.set_clinic_role(&user, role).await?,
            }
            operator.store.close().await;
        }
        Command::Integrator(command) => {
            let operator = operator(&config).await?;
            integrator(&operator, command).await?;
            operator.store.close().await;
        }
        Command::Appointment(command) => {
            let operator = operator(&config).await?;
            appointment(&operator, command).await?;
            operator.store.close().await;
        }
        Command::Retention { apply } => {
            let keeps = config.retention.keeps().ok_or("retention.days is not set: nothing is ever removed")?;
            let operator = operator(&config).await?;
            say(&operator.forget_old(keeps, apply).await?.to_string());
            operator.store.close().await;
        }
        Command::Audit(command) => audit(&config, command).await?,
        Command::Keys(command) => keys(config, command).await?,
    }
    Ok(())
}

async fn keys(mut config: Config, command: KeysCommand) -> Result<(), Failure> {
    if let KeysCommand::Rewrap { from: Some(from) } = &command {
        config.database.old_key = Some(from.clone());
    }
    let store = open_store(&config).await?;
    store.migrate().await?;
    let keys = Keys::read(&config.database)?;
    match command {
        KeysCommand::Status => say(&describe_keys(&*store, &keys).await?),
        KeysCommand::Rewrap { .. } => say(&rewrap_keys(&*store, &SystemClock, &keys).await?.to_string()),
        KeysCommand::Rotate { older_than } => {
            let age = Duration::from_secs(u64::from(older_than) * 24 * 60 * 60);
            let rotated = rotate_keys(&*store, &SystemClock, age).await?;
            say(&format!("{rotated} people and appointments have other data keys"));
        }
    }
    store.close().await;
    Ok(())
}

async fn audit(config: &Config, command: AuditCommand) -> Result<(), Failure> {
    let store = open_store(config).await?;
    match command {
        AuditCommand::Verify { heads } => {
            let file = heads.unwrap_or_else(|| config.database.audit_heads());
            let heads = match std::fs::read_to_string(&file) {
                Ok(heads) => heads,
                Err(error) => return Err(format!("{}: {error}", file.display()).into()),
            };
            let report = verify_audit(&*store, &heads, &Keys::read(&config.database)?).await?;
            say(&format!("{} lines are as they were written; {} signed heads agree", report.lines, report.heads));
        }
        AuditCommand::Export { format, after } => {
            let format = match format {
                ExportFormat::Lines => AuditFormat::Lines,
                ExportFormat::Fhir => AuditFormat::Fhir,
            };
            export_audit(&*store, format, after, &mut std::io::BufWriter::new(std::io::stdout())).await?;
        }
    }
    store.close().await;
    Ok(())
}

async fn appointment(operator: &Operator, command: AppointmentCommand) -> Result<(), Failure> {
    match command {
        AppointmentCommand::Add(new) => {
            let (id, link) = operator.add_appointment(new.try_into()?).await?;
            say(&format!("{id}\n{link}"));
        }
        AppointmentCommand::Link { id } => say(&operator.new_link(appointment_id(&id)?).await?),
        AppointmentCommand::Cancel { id } => operator.cancel_appointment(appointment_id(&id)?).await?,
        AppointmentCommand::Hold { id } => operator.set_held(appointment_id(&id)?, true).await?,
        AppointmentCommand::Release { id } => operator.set_held(appointment_id(&id)?, false).await?,
        AppointmentCommand::Consents { id } => {
            for line in operator.list_consents(appointment_id(&id)?).await? {
                say(&line.to_string());
            }
        }
    }
    Ok(())
}

async fn integrator(operator: &Operator, command: IntegratorCommand) -> Result<(), Failure> {
    let program = |id: &str| id.parse::<UserId>().map_err(|_| format!("{id:?} is not a program's id"));
    let say_key = |key: &NewKey| say(&format!("{}\n{}\n{}", key.user, key.client_id, key.client_secret.reveal()));
    match command {
        IntegratorCommand::Add { name, scope } => say_key(&operator.add_integrator(&name, scope).await?),
        IntegratorCommand::AddKey { id, scope } => say_key(&operator.new_key(program(&id)?, scope).await?),
        IntegratorCommand::RemoveKey { client_id } => operator.remove_key(client_id.parse()?).await?,
        IntegratorCommand::Trust { id, issuer, jwks } => {
            let keys = std::fs::read_to_string(&jwks).map_err(|error| format!("{}: {error}", jwks.display()))?;
            operator.trust(program(&id)?, &issuer, &keys).await?;
        }
        IntegratorCommand::Distrust { id, issuer } => operator.distrust(program(&id)?, &issuer).await?,
    }
    Ok(())
}

async fn operator(config: &Config) -> Result<Operator, Failure> {
    let store = open_store(config).await?;
    store.migrate().await?;
    let (rules, public_url) = (config.rules(), config.server.public_url.clone());
    let backend = config.visits.call_backend;
    Ok(Operator { store, clock: Arc::new(SystemClock), rules, backend, public_url })
}

async fn serve(config: Config, with_demo: bool) -> Result<(), Failure> {
    check_build(&config)?;
    let listener = listen(&config)?;
    let store = open_store(&config).await?;
    let clock = Arc::new(SystemClock);
    let (door, links) = if with_demo {
        store.migrate().await?;
        let (door, links) = demo::prepare(&store, &*clock, &config).await?;
        (Some(door), Some(links))
    } else {
        (None, None)
    };
    let program = Program::start(config.clone(), store, clock, door).await?;
    let (drain, stop) = stop_signals()?;
    if let Some(links) = links {
        say(&format!(
            "\nA demo clinic, with an appointment that is due now. Open both, in two windows of one browser:\n\n  \
             provider  {}\n  patient   {}\n",
            links.provider, links.patient
        ));
    }
    say(&format!("Bedside is listening on {} ({})", config.server.public_url, listener.local_addr()?));
    Ok(program.serve(listener, drain, stop).await?)
}

/// `--tls self-signed` is for trying a phone: everything listens on the local network then.
fn apply(config: &mut Config, tls: Option<Tls>) {
    match tls {
        None => {}
        Some(Tls::Off) => config.server.tls = TlsConfig::Off,
        Some(Tls::SelfSigned) => {
            config.server.tls = TlsConfig::SelfSigned;
            let port = config.server.listen.port();
            if config.server.listen.ip().is_loopback() {
                config.server.listen = ([0, 0, 0, 0], port).into();
            }
            if config.server.public_url.starts_with("http://") {
                let host = local_address().map_or_else(|| "localhost".to_owned(), |address| address.to_string());
                config.server.public_url = format!("https://{host}:{port}");
            }
        }
    }
}

/// SIGTERM lets visits under way go on for a while; SIGINT, or a second SIGTERM, stops at once. All
/// are caught from now on, not only once they are waited for.
fn stop_signals() -> std::io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut again = signal(SignalKind::terminate())?;
    let drain = async move {
        terminate.recv().await;
    };
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            () = async { again.recv().await; again.recv().await; } => {}
        }
    };
    Ok((drain, stop))
}

/// Programs are added with `bedside integrator add`.
fn clinic_role(text: &str) -> Result<ClinicRole, String> {
    let role = text.parse().ok().filter(|role| *role != ClinicRole::Integrator);
    role.ok_or_else(|| "staff or admin".to_owned())
}

fn clinic_role_or_none(text: &str) -> Result<Option<ClinicRole>, String> {
    if text == "none" { Ok(None) } else { clinic_role(text).map(Some) }
}

fn appointment_id(text: &str) -> Result<AppointmentId, Failure> {
    text.parse().map_err(|_| format!("{text:?} is not an appointment's id").into())
}

impl TryFrom<UserArgs> for UserToAdd {
    type Error = Failure;

    fn try_from(user: UserArgs) -> Result<Self, Failure> {
        let email = user.email.as_deref().map(str::parse::<EmailAddress>).transpose()?;
        let password = if email.is_some() { Some(read_password()?.into()) } else { None };
        Ok(Self {
            name: user.name,
            email,
            password,
            specialty: user.specialty,
            birth_date: user.birth_date,
            clinic_role: user.clinic_role,
        })
    }
}

fn read_password() -> Result<String, Failure> {
    if let Ok(password) = std::env::var("BEDSIDE_PASSWORD") {
        return Ok(password);
    }
    say("Password (at least 15 characters; it is shown as you type):");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

impl TryFrom<AppointmentArgs> for AppointmentToAdd {
    type Error = Failure;

    fn try_from(new: AppointmentArgs) -> Result<Self, Failure> {
        let start = if new.at == "now" {
            bedside_visit::Clock::now(&SystemClock)
        } else {
            let at: jiff::Timestamp = new.at.parse().map_err(|error| format!("--at {:?}: {error}", new.at))?;
            Timestamp::from_millis(at.as_millisecond())
        };
        Ok(Self {
            patient: new.patient,
            provider: new.provider,
            start,
            minutes: new.minutes,
            kind: new.kind,
            reason: new.reason,
            backend: new.call_backend.map(|text| text.parse()).transpose()?,
        })
    }
}
