//! Checks that every cargo call with `--workspace` uses the same features, so that each dependency is compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::fuzz::ENGINE;
use crate::shell::{Outcome, output, root};
use crate::terminal::say;

/// The feature sets each package is compiled with. More than one if it is also used by build scripts or macros.
type Packages = BTreeMap<String, BTreeSet<String>>;

/// Compares the features of binaries with those of tests, and prints how much is compiled.
pub(crate) fn check() -> Outcome {
    let programs = packages(&["--edges", "normal,build"])?;
    let tests = packages(&["--edges", "normal,build,dev", "--features", ENGINE])?;
    let units = |packages: &Packages| packages.values().map(BTreeSet::len).sum::<usize>();
    say(&format!(
        "binaries: {} packages, compiled {} times; with tests: {}, compiled {} times",
        programs.len(),
        units(&programs),
        tests.len(),
        units(&tests)
    ));
    let twice = compiled_twice(&programs, &tests);
    if twice.is_empty() {
        return Ok(());
    }
    Err(format!("compiled once for binaries and again for tests, which enable more features:\n{}", twice.join("\n")))
}

fn compiled_twice(programs: &Packages, tests: &Packages) -> Vec<String> {
    let differ =
        programs.iter().filter(|(name, features)| tests.get(*name).is_none_or(|more| !features.is_subset(more)));
    differ.map(|(name, features)| format!("{name} {features:?}")).collect()
}

fn packages(arguments: &[&str]) -> Result<Packages, String> {
    let common = ["tree", "--locked", "--workspace", "--no-dedupe", "--prefix", "none", "--format", "{p}|{f}"];
    let tree = output(Command::new("cargo").current_dir(root()).args(common).args(arguments))?;
    Ok(read(&tree))
}

fn read(tree: &str) -> Packages {
    let mut packages = Packages::new();
    for (package, features) in tree.lines().filter_map(|line| line.split_once('|')) {
        // The fuzz package differs on purpose: it has the engine feature.
        if !package.starts_with("bedside-fuzz ") {
            packages.entry(package.to_owned()).or_default().insert(features.to_owned());
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_only_tests_ask_for_is_found() {
        let programs = read("tokio v1.0.0|net,time\nserde v1.0.0|\nserde v1.0.0|std\n");
        assert_eq!(compiled_twice(&programs, &programs), Vec::<String>::new());
        let tests = read("tokio v1.0.0|net,process,time\nserde v1.0.0|\nserde v1.0.0|std\nproptest v1.0.0|\n");
        assert_eq!(compiled_twice(&programs, &tests), [r#"tokio v1.0.0 {"net,time"}"#]);
    }
}
