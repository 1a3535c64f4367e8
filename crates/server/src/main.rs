//! The `bedside` executable: parses the command line and runs the command.

mod cli;

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bedside::config::{Config, TlsConfig};
use bedside::operator::Operator;
use bedside::{
    AuditFormat, Keys, LogOutput, NewKey, Program, Reloader, SteadyClock, SystemClock, back_up, check_build,
    check_cometchat, check_mail, check_tls, claim, demo, describe_keys, export_audit, listen, local_address,
    log_filter, open_store, open_to_serve, restore, rewrap_keys, rotate_keys, verify_audit,
};
use bedside_visit::{AppointmentId, Clock as _, EmailAddress, Timestamp, UserId};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::details;
use crate::cli::made::Made;
use crate::cli::{
    AppointmentCommand, AuditCommand, Cli, Command, ExportFormat, IntegratorCommand, KeysCommand, Tls, UserCommand,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // Held until exit, so that the last log lines are written.
    let _log = start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(run(Cli::parse())) {
        Ok(()) if output_failed() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&*failure);
            ExitCode::FAILURE
        }
    };
    // Does not wait for threads blocked on a disk or a name lookup.
    runtime.shutdown_background();
    code
}

fn start_log() -> Option<LogOutput> {
    let filter = log_filter(std::env::var("BEDSIDE_LOG").as_deref().unwrap_or("info"));
    let (output, writer) = LogOutput::start(std::io::stderr()).ok()?;
    let log = tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(writer);
    tracing_subscriber::registry().with(log.with_filter(filter)).init();
    Some(output)
}

/// Prints an error to standard error. Write errors are ignored: the terminal may be closed, or the output a file on a
/// full disk.
fn complain(failure: &dyn std::error::Error) {
    let mut text = String::new();
    for line in failure.to_string().lines() {
        let _ = writeln!(text, "bedside: {line}");
    }
    let mut source = failure.source();
    while let Some(cause) = source {
        let _ = writeln!(text, "  caused by: {cause}");
        source = cause.source();
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}

/// Prints a warning to standard error.
fn warn(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("bedside: {text}\n").as_bytes());
}

static OUTPUT_FAILED: AtomicBool = AtomicBool::new(false);

/// Prints a line to standard output. The command has been carried out by then, so a write error does not fail it: the
/// error is reported once on standard error, and through the exit code.
fn say(line: &str) {
    let mut out = std::io::stdout();
    let written = std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes());
    if let Err(error) = written.and_then(|()| std::io::Write::flush(&mut out))
        && !OUTPUT_FAILED.swap(true, Ordering::Relaxed)
    {
        let error = std::io::Error::other(format!("cannot write to standard output: {error}"));
        complain(&error);
    }
}

/// Returns whether output of the command was lost.
fn output_failed() -> bool {
    OUTPUT_FAILED.load(Ordering::Relaxed)
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
            let expires = check_tls(&config, SystemClock.now())?;
            say("the configuration is valid");
            if let Some(expires) = expires {
                say(&format!("the certificate expires on {}", day(expires)));
            }
            if let Some(cometchat) = &config.cometchat {
                check_cometchat(cometchat).await?;
                say("CometChat accepts the API key");
            }
            if config.mail.is_some() {
                check_mail(&config).await?;
                say("the mail server accepts the connection");
            }
        }
        Command::User(command) => {
            let operator = operator(&config).await?;
            match command {
                UserCommand::Add(user) => {
                    let as_json = user.json;
                    let id = operator.add_user(details::user(user)?).await?;
                    say(&Made::one("User ID", "id", id.to_string()).print(as_json));
                }
                UserCommand::Disable { user } => operator.set_disabled(&user, true).await?,
                UserCommand::ForgetSecondStep { user } => operator.forget_second_step(&user).await?,
                UserCommand::ForgetPasskeys { user } => operator.forget_passkeys(&user).await?,
                UserCommand::ForgetProvider { user, all: _, issuer } => {
                    let configured = config.oidc.as_ref().map(|oidc| oidc.issuer.clone());
                    let issuer = issuer.or(configured).ok_or("use --issuer, because [oidc] is not configured")?;
                    let removed = operator.unlink_provider(user.as_deref(), &issuer).await?;
                    say(&format!("{removed} users unlinked from {issuer}"));
                }
                UserCommand::Reset { email, json } => {
                    let link = operator.reset_password(&email.parse::<EmailAddress>()?).await?;
                    say(&Made::one("Link", "link", link).print(json));
                }
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
            let keeps = config.retention.keeps().ok_or("retention.days is not set, so data is kept forever")?;
            let operator = operator(&config).await?;
            say(&operator.forget_old(keeps, apply).await?.to_string());
            operator.store.close().await;
        }
        Command::Audit(command) => audit(&config, command).await?,
        Command::Keys(command) => keys(config, command).await?,
        Command::Backup { folder, with_keys } => {
            let store = open_store(&config).await?;
            let made = back_up(&*store, &SystemClock, (&config, cli.config.as_deref()), &folder, with_keys).await?;
            store.close().await;
            say(&made.to_string());
        }
        Command::Restore { folder } => say(&restore(&config, &SystemClock, &folder).await?.to_string()),
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
            say(&format!("data keys of {rotated} people and appointments rotated"));
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
            let heads = match std::fs::read(&file) {
                // A crash may have left invalid UTF-8 in the file.
                Ok(heads) => String::from_utf8_lossy(&heads).into_owned(),
                Err(error) => return Err(format!("{}: {error}", file.display()).into()),
            };
            let report = verify_audit(&*store, &heads, &Keys::read(&config.database)?).await?;
            say(&report.to_string());
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
            let as_json = new.json;
            let (id, link) = operator.add_appointment(details::appointment(new)?).await?;
            let made = Made::one("Appointment ID", "id", id.to_string()).and("Patient link", "link", link);
            say(&made.print(as_json));
        }
        AppointmentCommand::Link { id, json } => {
            let link = operator.new_link(appointment_id(&id)?).await?;
            say(&Made::one("Patient link", "link", link).print(json));
        }
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
    let program = |id: &str| id.parse::<UserId>().map_err(|_| format!("{id:?} is not an integrator ID"));
    let say_key = |key: &NewKey, as_json| {
        let made = Made::one("Integrator ID", "id", key.user.to_string())
            .and("Client ID", "client_id", key.client_id.to_string())
            .and("Client secret (shown once)", "client_secret", key.client_secret.reveal());
        say(&made.print(as_json));
    };
    match command {
        IntegratorCommand::Add { name, scope, json } => say_key(&operator.add_integrator(&name, scope).await?, json),
        IntegratorCommand::AddKey { id, scope, json } => {
            say_key(&operator.new_key(program(&id)?, scope).await?, json);
        }
        IntegratorCommand::RemoveKey { client_id } => operator.remove_key(client_id.parse()?).await?,
        IntegratorCommand::Trust { id, issuer, jwks, providers } => {
            let keys = std::fs::read_to_string(&jwks).map_err(|error| format!("{}: {error}", jwks.display()))?;
            operator.trust(program(&id)?, &issuer, &keys, providers).await?;
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
    // Held until exit.
    let claim = claim(&config, listener.local_addr()?)?;
    let store = open_to_serve(&config, &claim).await?;
    let clock = Arc::new(SteadyClock::over(SystemClock));
    let (demo, links) = if with_demo {
        store.migrate().await?;
        let (demo, links) = demo::prepare(&store, &*clock, &config).await?;
        (Some(demo), Some(links))
    } else {
        (None, None)
    };
    let program = Program::start(config.clone(), store, clock, demo).await?;
    let (drain, stop) = stop_signals()?;
    reload_on_hangup(program.reloader())?;
    if let Some(links) = links {
        say(&format!(
            "\nDemo clinic with an appointment that is due now. Open both links in two windows of one browser:\n\n  \
             provider  {}\n  patient   {}\n",
            links.provider, links.patient
        ));
    }
    say(&format!("Bedside is listening on {} ({})", config.server.public_url, listener.local_addr()?));
    program.serve(listener, drain, stop).await?;
    // At shutdown nobody is waiting for the startup output any more.
    OUTPUT_FAILED.store(false, Ordering::Relaxed);
    Ok(())
}

/// Reloads renewable files on SIGHUP, which renewal hooks send. Because SIGHUP is handled, closing the terminal does
/// not stop the server.
fn reload_on_hangup(reloader: Reloader) -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!("SIGHUP received, reloading the certificate and other renewable files");
            reloader.reload();
        }
    });
    Ok(())
}

fn day(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| "an unknown date".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Applies `--tls`. `self-signed` is for testing on a phone, so it also listens on the local network.
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

/// Returns futures for draining and stopping. SIGTERM drains: visits in progress may continue for a while. SIGINT or
/// a second SIGTERM stops at once. The handlers are installed immediately, not only when the futures are polled.
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

fn appointment_id(text: &str) -> Result<AppointmentId, Failure> {
    text.parse().map_err(|_| format!("{text:?} is not an appointment ID").into())
}

fn read_password() -> Result<String, Failure> {
    if let Ok(password) = std::env::var("BEDSIDE_PASSWORD") {
        return Ok(password);
    }
    // Not standard output, which a script reads the result from.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        b"Password (at least 15 characters; it is shown as you type):\n",
    );
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
