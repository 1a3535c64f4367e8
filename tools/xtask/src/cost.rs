//! Measures the cost of forwarding a packet in instructions, a regression test that does not depend on the machine's
//! load.

use std::fs;
use std::process::Command;

use crate::needs;
use crate::shell::{Outcome, output, root, runner_variable};
use crate::terminal::heading;

/// The test that runs the trace, and the function in it that is counted.
const TEST: &str = "tests::short::cost::a_second_of_a_visit";
const COUNTED: &str = "*counted_trace*";
/// The accepted number of instructions.
const BASELINE: &str = "crates/sfu/instructions.txt";
/// Allowed excess in percent, because compilers differ.
const TOLERANCE: u64 = 15;

/// Counts the instructions and compares them with the baseline.
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
    // The test harness writes the beginning of the line.
    let forwarded = said.lines().find_map(|line| line.split_once("forwarded ")?.1.trim().parse::<u64>().ok());
    let forwarded =
        forwarded.filter(|count| *count > 0).ok_or("the trace did not report the number of forwarded packets")?;
    let listed = output(Command::new("callgrind_annotate").args(["--show-percs=no", "--threshold=100"]).arg(&counts))?;
    compare(own_instructions(&listed) / forwarded)
}

/// Sums all instructions except those of cryptography, which depend on the processor.
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
    let agreed: u64 = text.trim().parse().map_err(|_| format!("{BASELINE} does not contain a number"))?;
    heading(&format!("{found} instructions per packet; the baseline is {agreed}"));
    if found > agreed * (100 + TOLERANCE) / 100 {
        return Err(format!(
            "forwarding a packet takes {found} instructions, more than {TOLERANCE} % above the {agreed} of {BASELINE}. If \
             that is worth it, write the new number there and say why"
        ));
    }
    if found < agreed * (100 - TOLERANCE) / 100 {
        heading(&format!("cheaper than the baseline: write {found} into {BASELINE}"));
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
