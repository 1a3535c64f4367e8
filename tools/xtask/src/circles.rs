//! Checks that no modules of a crate import each other in a circle. A circle cannot be understood, tested or moved in
//! parts.
//!
//! Imports are read as text, from `use` declarations and from paths that begin with `crate::` or `super::`. Names that a
//! module re-exports count as imports of the module that defines them. A submodule is part of the module above it, so
//! that it may import it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::shell::Outcome;
use crate::walls::rust_files;

/// The source folders of the crates that are checked.
const CRATES: [&str; 7] = [
    "crates/server/src",
    "crates/store/src",
    "crates/sfu/src",
    "crates/visit/src",
    "tools/bench/src",
    "tools/lab/src",
    "tools/xtask/src",
];

/// The path of a module below the root of its crate, such as `["http", "error"]`.
type Module = Vec<String>;

/// An import: whether it is a re-export, and the segments of its path.
type Import = (bool, Vec<String>);

/// Checks all crates and reports every circle.
pub(crate) fn check(root: &Path) -> Outcome {
    let mut found = Vec::new();
    for source in CRATES {
        let imports = imports_of(&root.join(source))?;
        found.extend(circles(&graph(&imports)).into_iter().map(|circle| format!("{source}: {}", circle.join(" → "))));
    }
    if found.is_empty() { Ok(()) } else { Err(format!("modules import each other in a circle:\n{}", found.join("\n"))) }
}

/// Reads the imports of each module below a source folder, without its tests.
fn imports_of(source: &Path) -> Result<BTreeMap<Module, Vec<Import>>, String> {
    let mut modules = BTreeMap::new();
    for file in rust_files(source) {
        let place = file.strip_prefix(source).unwrap_or(&file).with_extension("");
        let mut module: Module = place.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        // `main` is a crate of its own, which nothing imports.
        if module == ["main"] || module.iter().any(|part| part == "tests") {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        modules.insert(module, imports(&without_comments_and_tests(&text)));
    }
    Ok(modules)
}

fn without_comments_and_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Returns the imports in a module's code.
fn imports(code: &str) -> Vec<Import> {
    let mut found = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        match statement.rsplit_once("use ").filter(|(before, _)| before.ends_with(['\n', ' ']) || before.is_empty()) {
            Some((before, tree)) if !tree.contains('=') => {
                let line = before.rsplit('\n').next().unwrap_or_default();
                expand(&[], tree.trim_end_matches(';'), line.contains("pub"), &mut found);
                rest.push_str(before);
            }
            _ => rest.push_str(statement),
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in rest.match_indices(start) {
            let path = rest[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next();
            let segments = path.unwrap_or_default().split("::").filter(|segment| !segment.is_empty());
            found.push((false, segments.map(str::to_owned).collect()));
        }
    }
    found
}

/// Expands a `use` tree into single paths.
fn expand(prefix: &[String], tree: &str, re_export: bool, found: &mut Vec<Import>) {
    let tree = tree.trim();
    let (head, group) = tree.split_once('{').map_or((tree, None), |(head, group)| (head, group.rsplit_once('}')));
    let head = head.split(" as ").next().unwrap_or_default();
    let segments = head.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned);
    let path: Vec<String> = prefix.iter().cloned().chain(segments).collect();
    let Some((group, _)) = group else {
        if path.len() > prefix.len() {
            found.push((re_export, path));
        }
        return;
    };
    let (mut depth, mut from) = (0, 0);
    for (at, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&path, &group[from..at], re_export, found);
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// Returns the modules that each module imports.
fn graph(modules: &BTreeMap<Module, Vec<Import>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut re_exports: BTreeMap<(Module, String), Vec<String>> = BTreeMap::new();
    for (module, imports) in modules {
        for (_, path) in imports.iter().filter(|(re_export, _)| *re_export) {
            if let (Some(path), Some(name)) = (absolute(modules, module, path), path.last()) {
                re_exports.insert((module.clone(), name.clone()), path);
            }
        }
    }
    let mut graph = BTreeMap::new();
    for (module, imports) in modules {
        let paths = imports.iter().filter(|(re_export, _)| !re_export);
        let targets = paths.filter_map(|(_, path)| resolve(modules, &re_exports, absolute(modules, module, path)?));
        let others = targets.filter(|target| !target.is_empty() && !module.starts_with(target));
        graph.insert(module.clone(), others.collect());
    }
    graph
}

/// Returns a path from the root of the crate, or `None` for a path into another crate.
fn absolute(modules: &BTreeMap<Module, Vec<Import>>, module: &Module, path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let above = module.get(..module.len().checked_sub(ups)?)?;
            Some([above, &path[ups..]].concat())
        }
        _ => {
            let inner = [module.as_slice(), path].concat();
            modules.contains_key(&inner[..=module.len()]).then_some(inner)
        }
    }
}

/// Returns the module that defines what a path names.
fn resolve(
    modules: &BTreeMap<Module, Vec<Import>>,
    re_exports: &BTreeMap<(Module, String), Vec<String>>,
    path: Vec<String>,
) -> Option<Module> {
    let mut path = path;
    // A re-export may name another one. The limit ends a re-export of itself.
    for _ in 0..8 {
        let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let next = rest.split_first().and_then(|(name, rest)| {
            let target = re_exports.get(&(module.to_vec(), name.clone()))?;
            Some([target.as_slice(), rest].concat())
        });
        match next {
            Some(next) if next != path => path = next,
            _ => return Some(module.to_vec()),
        }
    }
    None
}

/// Returns a shortest circle through each module that is on one, once.
fn circles(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = circle_through(graph, start) {
            seen.extend(circle.iter().cloned());
            found.push(circle.iter().map(|module| module.join("::")).collect());
        }
    }
    found
}

fn circle_through(graph: &BTreeMap<Module, BTreeSet<Module>>, start: &Module) -> Option<Vec<Module>> {
    let mut came_from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut reached: std::collections::VecDeque<&Module> = [start].into();
    while let Some(module) = reached.pop_front() {
        for next in graph.get(module).into_iter().flatten() {
            if next == start {
                let mut circle = vec![start.clone(), module.clone()];
                let mut at = module;
                while at != start {
                    at = came_from.get(at)?;
                    circle.push(at.clone());
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, module);
                reached.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(modules: &[(&str, &str)]) -> Vec<Vec<String>> {
        let parts = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let modules = modules.iter().map(|(name, code)| (parts(name), imports(&without_comments_and_tests(code))));
        circles(&graph(&modules.collect()))
    }

    #[test]
    fn a_circle_is_found_through_groups_re_exports_and_paths() {
        let circle = vec![vec!["a".to_owned(), "b::c".to_owned(), "a".to_owned()]];
        assert_eq!(
            found(&[("a", "use crate::b::{self, c::{C, D}};"), ("b", ""), ("b::c", "fn f() { crate::a::g() }")]),
            circle
        );
        let b = "mod c;\npub(crate) use c::C;\npub(crate) use d::D;";
        assert_eq!(found(&[("a", "use crate::b::C;"), ("b", b), ("b::c", "use crate::a::A;"), ("b::d", "")]), circle);
        assert_eq!(
            found(&[("a", "use crate::b::D;"), ("b", b), ("b::c", "use crate::a::A;"), ("b::d", "")]),
            [[""; 0]; 0]
        );
    }

    #[test]
    fn comments_tests_and_a_submodules_import_of_its_module_are_no_circle() {
        let tests = "// crate::a::A\n/// [`crate::a::A`]\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}";
        assert_eq!(found(&[("a", "use crate::b::B;"), ("b", tests)]), [[""; 0]; 0]);
        assert_eq!(found(&[("a", "mod b;\nuse b::B;"), ("a::b", "use super::A;\nuse crate::a::C;")]), [[""; 0]; 0]);
    }
}
