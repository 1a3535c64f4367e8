//! What forwarding a packet costs, in instructions of our own: a guard that does not depend on how busy a machine is.

use std::fs;
use std::process::Command;

use crate::needs;
use crate::shell::{Outcome, heading, output, root, runner_variable};

/// The trace, and the function of it that is counted.
const TEST: &str = "tests::short::cost::a_second_of_a_visit";
const COUNTED: &str = "*counted_trace*";
/// The number that was agreed on last.
const BASELINE: &str = "crates/sfu/instructions.txt";
/// By how much of a hundred it may be exceeded: compilers differ.
const TOLERANCE: u64 = 15;

/// Counts, and compares with the baseline.
pub(crate) fn test() -> Outcome {
    needs::install(needs::COST)?;
    let folder = root().join("target/cost");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let counts = folder.join("callgrind.out");
    let runner = format!(
        "valgrind --tool=callgrind --collect-atstart=no --toggle-collect={COUNTED} --callgrind-out-file={} --quiet",
        counts.display()
    );
    let mut run = Command::new("cargo");
    run.current_dir(root()).args(["test", "--release", "--package", "bedside-sfu", "--lib", "--"]);
    run.args(["--exact", TEST, "--ignored", "--nocapture", "--test-threads=1"]).env(runner_variable()?, runner);
    let said = output(&mut run)?;
    // The test harness begins the line.
    let forwarded = said.lines().find_map(|line| line.split_once("forwarded ")?.1.trim().parse::<u64>().ok());
    let forwarded = forwarded.filter(|count| *count > 0).ok_or("the trace did not say what it forwarded")?;
    let listed = output(Command::new("callgrind_annotate").args(["--show-percs=no", "--threshold=100"]).arg(&counts))?;
    compare(own_instructions(&listed) / forwarded)
}

/// Sums what is not cryptography, whose instructions are the processor's choice.
fn own_instructions(listed: &str) -> u64 {
    let rows = listed.lines().filter_map(|line| {
        let (count, what) = line.trim().split_once(' ')?;
        Some((count.replace(',', "").parse::<u64>().ok()?, what))
    });
    let crypto = ["aws_lc", "aesni", "gcm", "ghash"];
    let ours = rows.filter(|(_, what)| what.contains(':') && !crypto.iter().any(|name| what.contains(name)));
    ours.map(|(count, _)| count).sum()
}

fn compare(found: u64) -> Outcome {
    let path = root().join(BASELINE);
    let text = fs::read_to_string(&path).map_err(|error| format!("{BASELINE}: {error}"))?;
    let agreed: u64 = text.trim().parse().map_err(|_| format!("{BASELINE} holds no number"))?;
    heading(&format!("{found} instructions a packet; {agreed} were agreed on"));
    if found > agreed * (100 + TOLERANCE) / 100 {
        return Err(format!(
            "forwarding a packet takes {found} instructions, more than {TOLERANCE} % above the {agreed} of {BASELINE}. If \
             that is worth it, write the new number there and say why"
        ));
    }
    if found < agreed * (100 - TOLERANCE) / 100 {
        heading(&format!("it has become cheaper: write {found} into {BASELINE}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cryptography_and_totals_are_left_out() {
        let listed = "--------\n1,500  PROGRAM TOTALS\n\nIr      file:function\n1,000  src/flow.rs:bedside_sfu::forward [x]\n\
                      300  ???:aws_lc_0_47_0_aes_gcm_encrypt [x]\n70  ???:_aesni_ctr32_ghash_6x [x]\n200  ???:0x123 [libc]\n";
        assert_eq!(own_instructions(listed), 1200);
    }
}
