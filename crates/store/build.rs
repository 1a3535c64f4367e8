//! Lists the migrations for `src/sqlite/migrations.rs`, which embeds them. `sqlx::migrate!` would compile sqlx and
//! SQLite a second time, for the macro.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=migrations");
    let folder = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("migrations/sqlite");
    let mut files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let rows: String = files
        .iter()
        .map(|file| {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            format!("({name:?}, include_str!({file:?})),\n")
        })
        .collect();
    fs::write(Path::new(&variable("OUT_DIR")?).join("migrations.rs"), format!("&[\n{rows}]"))
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
