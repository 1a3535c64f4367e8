//! Runs every input of the corpora, including those that once found a bug.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[test]
fn the_corpora_hold() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut faults = Vec::new();
    for (name, run) in bedside_fuzz::TARGETS {
        let inputs: Vec<_> = fs::read_dir(corpora.join(name)).expect("each target has a corpus").flatten().collect();
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            let bytes = fs::read(input.path()).expect("a file");
            if catch_unwind(AssertUnwindSafe(|| run(&bytes))).is_err() {
                faults.push(input.path());
            }
        }
        run(&[]);
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
