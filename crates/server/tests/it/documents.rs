//! Documents that say what is tested name tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DOCUMENTS: [(&str, &str); 2] = [
    ("docs/hipaa.md", include_str!("../../../../docs/hipaa.md")),
    ("docs/threat-model.md", include_str!("../../../../docs/threat-model.md")),
];

#[test]
fn every_test_that_is_named_exists() {
    let mut sources = String::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut sources);
    for (name, text) in DOCUMENTS {
        let cells = text.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit('|').nth(1));
        let tests: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert!(tests.len() > 10, "{name}: {tests:?}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{name} names {test}");
        }
    }
}

fn gather(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}
