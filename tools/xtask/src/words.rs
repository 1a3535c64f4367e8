//! Checks that texts, comments and names do not use words that hide who does what, or that no engineer would search
//! for. See "Conventions" in CONTRIBUTING.md.

use std::fs;
use std::path::Path;

use crate::shell::Outcome;

/// Words that are not used, also not as a part of a name.
const UNUSED: [&str; 7] = ["whoever", "somebody", "nought", "of theirs", "of ours", "by itself", "in vain"];

/// Files that may contain them, with the number of lines. The numbers may only become smaller.
const ALLOWED: [(&str, usize); 2] = [
    // A problem type that clients know.
    ("crates/server/src/http/error.rs", 1),
    ("tools/xtask/src/words.rs", 2),
];

/// Applied migrations cannot be edited. The others are not prose, or are made by tools.
const LEFT_OUT: [&str; 8] = [
    ".git",
    "Cargo.lock",
    "crates/store/migrations",
    "data",
    "target",
    "tools/fuzz/corpus",
    "web/dist",
    "web/package-lock.json",
];

/// Reports each line with such a word.
pub(crate) fn check(root: &Path) -> Outcome {
    let mut files = Vec::new();
    gather(root, root, &mut files);
    let mut faults = Vec::new();
    for file in files.iter().map(String::as_str) {
        // Pictures and other binary files are no text.
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        let lines = lines_with(&text);
        let allowed = ALLOWED.iter().find(|(name, _)| *name == file).map_or(0, |(_, lines)| *lines);
        if lines.len() > allowed {
            faults.extend(lines.iter().map(|(number, word)| format!("{file}:{number}: {word}")));
        } else if lines.len() < allowed {
            faults.push(format!("{file} has {} such lines now: lower its number in ALLOWED", lines.len()));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("words that are not used:\n{}", faults.join("\n"))) }
}

/// Lists the files below a folder, by their paths from the root. Does not need Git, because a checkout may come without.
fn gather(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let place = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if LEFT_OUT.contains(&place.as_str()) || entry.file_name() == "node_modules" {
            continue;
        }
        if path.is_dir() { gather(root, &path, files) } else { files.push(place) }
    }
}

/// Returns the numbers of the lines with such a word, and the word.
fn lines_with(text: &str) -> Vec<(usize, &'static str)> {
    let found = |line: &str| {
        let line = line.to_lowercase().replace('_', " ");
        UNUSED.into_iter().find(|word| line.contains(word))
    };
    text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, found(line)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_prose_and_in_names() {
        let [theirs, nobody] = ["a name of_", "Some"].map(str::to_owned);
        let text = format!("{theirs}theirs\nfine\nFor{nobody}bodyElse\noff hours\n");
        assert_eq!(lines_with(&text), [(1, "of theirs"), (3, UNUSED[1])]);
    }
}
