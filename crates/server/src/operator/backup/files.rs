//! Durable file operations: a file is either complete on disk or absent.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

const BLOCK: usize = 256 * 1024;

/// Returns the path of a sibling file: the same name with a suffix.
pub(super) fn beside(file: &Path, more: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(more);
    name.into()
}

/// Creates a folder that only the current user can access.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

/// Writes a new file that only the current user can read, and syncs it to disk.
pub(super) fn write_new(file: &Path, contents: &[u8]) -> io::Result<()> {
    let mut into = new(file)?;
    into.write_all(contents)?;
    into.sync_all()
}

/// Copies a file to a new one that only the current user can read, syncs it to disk, and returns its hash.
pub(super) fn copy_new(from: &Path, to: &Path) -> io::Result<String> {
    let (mut from, mut into) = (File::open(from)?, new(to)?);
    let hash = pass_on(&mut from, &mut into)?;
    into.sync_all()?;
    Ok(hash)
}

/// Returns the SHA-256 of a file, hexadecimal.
pub(super) fn hash_of(file: &Path) -> io::Result<String> {
    pass_on(&mut File::open(file)?, &mut io::sink())
}

/// Syncs a file, or the entries of a folder, to disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file if it exists.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Renames a file if it exists.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn new(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

fn pass_on(from: &mut impl Read, into: &mut impl Write) -> io::Result<String> {
    let (mut hash, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        let read = from.read(&mut block)?;
        if read == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&block[..read]);
        into.write_all(&block[..read])?;
    }
}
