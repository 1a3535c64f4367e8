//! Fuzzing with libFuzzer on the stable toolchain. The compiler's coverage instrumentation needs no nightly, and
//! without unsafe code in this project a sanitizer is of no use.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{Outcome, cargo_test, finish, output, root};
use crate::terminal::heading;
use crate::{needs, shell};

/// The targets of `tools/fuzz/src/lib.rs`, and the maximum useful input length.
const TARGETS: [(&str, u32); 5] =
    [("signalling", 8_192), ("sdp", 65_536), ("framing", 8_192), ("datagrams", 4_096), ("session", 4_096)];

/// The feature that the targets are built with.
pub(crate) const ENGINE: &str = "bedside-fuzz/engine";

/// The options that cargo-fuzz passes, without a sanitizer.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// Runs `fuzz TARGET|all [--minutes N]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (target, minutes) = match arguments {
        [target] => (target, 10),
        [target, flag, minutes] if flag == "--minutes" => (
            target,
            minutes
                .parse()
                .ok()
                .filter(|minutes| *minutes > 0)
                .ok_or(format!("{minutes:?} is not a number of minutes"))?,
        ),
        _ => return Err("usage: cargo xtask fuzz TARGET|all [--minutes N]".to_owned()),
    };
    let chosen: Vec<_> = TARGETS.iter().filter(|(name, _)| target == "all" || target == name).collect();
    if chosen.is_empty() {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        return Err(format!("unknown target {target:?}: use {names} or all"));
    }
    let programs = build()?;
    for (name, longest) in chosen {
        fuzz(Path::new(&programs), name, *longest, minutes)?;
    }
    Ok(())
}

/// Builds the targets and runs the corpora through them.
pub(crate) fn replay() -> Outcome {
    needs::install(needs::FUZZ)?;
    cargo_test(&[], &["--workspace", "--features", ENGINE, "--test", "replay"])
}

/// Returns the folder of the instrumented binaries.
fn build() -> Result<String, String> {
    needs::install(needs::FUZZ)?;
    heading("building the fuzz targets");
    let compiler = output(Command::new("rustc").arg("-vV"))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc printed no host")?;
    // With an explicit target, build scripts and macros are not instrumented.
    let build = ["build", "--package", "bedside-fuzz", "--features", "engine", "--profile", "fuzz", "--target", host];
    let folder = ["--target-dir", "target/fuzz"];
    shell::cargo_with(&[("RUSTFLAGS", COVERAGE)], &[&build[..], &folder[..]].concat())?;
    Ok(root().join("target/fuzz").join(host).join("fuzz").to_string_lossy().into_owned())
}

fn fuzz(programs: &Path, name: &str, longest: u32, minutes: u32) -> Outcome {
    heading(&format!("fuzzing {name} for {minutes} min"));
    let seeds = root().join("tools/fuzz/corpus").join(name);
    let dictionary = root().join("tools/fuzz/dictionaries").join(format!("{name}.dict"));
    let found = root().join("target/fuzz/corpus").join(name);
    let findings = root().join("target/fuzz/findings");
    for folder in [&found, &findings] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = Command::new(programs.join(format!("fuzz-{name}")));
    command.arg(&found).arg(&seeds);
    command.args([
        format!("-max_total_time={}", minutes * 60),
        format!("-max_len={longest}"),
        format!("-artifact_prefix={}/{name}-", findings.display()),
    ]);
    command.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    finish(&mut command)
        .map_err(|fault| format!("{fault}\nthe input is in {}: see docs/fuzzing.md", findings.display()))
}
