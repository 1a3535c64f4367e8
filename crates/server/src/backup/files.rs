//! Copies files so that they are whole on the disk, or not there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

const BLOCK: usize = 256 * 1024;

/// Another file beside one: the name with more at its end.
pub(super) fn beside(file: &Path, more: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(more);
    name.into()
}

/// Makes a folder for this user alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

/// Writes a new file that this user alone may read, and has it on the disk.
pub(super) fn write_new(file: &Path, contents: &[u8]) -> io::Result<()> {
    let mut into = new(file)?;
    into.write_all(contents)?;
    into.sync_all()
}

/// Copies a file into a new one that this user alone may read, has it on the disk, and gives its hash.
pub(super) fn copy_new(from: &Path, to: &Path) -> io::Result<String> {
    let (mut from, mut into) = (File::open(from)?, new(to)?);
    let hash = pass_on(&mut from, &mut into)?;
    into.sync_all()?;
    Ok(hash)
}

/// The hash of a file, hexadecimal.
pub(super) fn hash_of(file: &Path) -> io::Result<String> {
    pass_on(&mut File::open(file)?, &mut io::sink())
}

/// Has a file, or the names in a folder, on the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file if it is there.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Renames a file if it is there.
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
