//! Documents name only tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ASVS: &str = include_str!("../../../../docs/asvs.md");

const DOCUMENTS: [(&str, &str); 4] = [
    ("docs/asvs.md", ASVS),
    ("docs/hipaa.md", include_str!("../../../../docs/hipaa.md")),
    ("docs/regressions.md", include_str!("../../../../docs/regressions.md")),
    ("docs/threat-model.md", include_str!("../../../../docs/threat-model.md")),
];

#[test]
fn every_test_that_is_named_exists() {
    let mut sources = String::new();
    for folder in ["..", "../../tools", "../../web/src"] {
        gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    for (name, text) in DOCUMENTS {
        let cells = text.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit('|').nth(1));
        let tests: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert!(tests.len() > 10 || name == "docs/regressions.md", "{name}: {tests:?}");
        for test in tests {
            let is_named = sources.contains(&format!("fn {test}(")) || sources.contains(&format!("test(\"{test}\""));
            assert!(is_named, "{name} names {test}");
        }
    }
}

/// Levels 1 and 2 of ASVS 5.0.0, and the chosen part of level 3: sections, and the numbers in them.
const REQUIREMENTS: &str = "\
    1.1:1-2 1.2:1-9 1.3:1-11 1.4:1-3 1.5:1-2 2.1:1-3 2.2:1-3 2.3:1-4 2.4:1 3.2:1-2 3.3:1-4 3.4:1-8 3.5:1-5,8 \
    3.7:1-2 4.1:1-4 4.2:1 4.3:1-2 4.4:1-4 5.1:1 5.2:1-3 5.3:1-2 5.4:1-3 6.1:1-3 6.2:1-12 6.3:1-5,7-8 6.4:1-4 \
    6.5:1-6 6.6:1-3 6.8:1-4 7.1:1-3 7.2:1-4 7.3:1-2 7.4:1-5 7.5:1-3 7.6:1-2 8.1:1-2 8.2:1-3 8.3:1-2 8.4:1 \
    9.1:1-3 9.2:1-4 10.1:1-2 10.2:1-2 10.3:1-4 10.4:1-16 10.5:1-5 10.6:1-2 10.7:1-3 11.1:1-2 11.2:1-4 11.3:1-3 \
    11.4:1-4 11.5:1 11.6:1 12.1:1-3 12.2:1-2 12.3:1-4 13.1:1 13.2:1-5 13.3:1-2 13.4:1-5 14.1:1-2 14.2:1-4 \
    14.3:1-3 15.1:1-3 15.2:1-3 15.3:1-7 16.1:1 16.2:1-5 16.3:1-4 16.4:1-3 16.5:1-4 17.1:1-2 17.2:1-8 17.3:1-2";

/// Returns all of [`REQUIREMENTS`], such as `1.2.4`, in order.
fn requirements() -> Vec<String> {
    let mut all = Vec::new();
    for (section, numbers) in REQUIREMENTS.split_whitespace().filter_map(|section| section.split_once(':')) {
        for range in numbers.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bound = |text: &str| text.parse::<u32>().expect("a number");
            all.extend((bound(first)..=bound(last)).map(|number| format!("{section}.{number}")));
        }
    }
    all
}

/// A row covers one requirement, or a range of them.
#[test]
fn every_requirement_has_its_row() {
    let all = requirements();
    let place = |id: &str| all.iter().position(|one| one == id).unwrap_or_else(|| panic!("{id} is not a requirement"));
    let mut found = Vec::new();
    for row in ASVS.lines().filter_map(|line| line.strip_prefix("| ")).filter(|row| row.starts_with(char::is_numeric)) {
        let ids = row.split(" | ").next().expect("a first cell");
        let (first, last) = ids.split_once('–').unwrap_or((ids, ids));
        found.extend_from_slice(&all[place(first)..=place(last)]);
        assert_eq!(row.split(" | ").count(), 4, "{row}");
    }
    assert_eq!(found, all);
}

fn gather(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "ts") {
            sources.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}
