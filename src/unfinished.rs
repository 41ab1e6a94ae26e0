//! Files that are there whole or not at all.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempPath};

/// A file under another name until it is whole. Dropped before that, it is removed.
#[derive(Debug)]
pub struct Unfinished {
    path: TempPath,
    output: PathBuf,
}

impl Unfinished {
    /// Makes the file beside `output`, under a hidden name that nobody else has, with the permissions
    /// of any new file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn beside(output: &Path) -> io::Result<(Self, File)> {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.");
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(".unfinished");
        // What the process' mask leaves of them.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let (file, path) = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?.into_parts();
        Ok((Self { path, output: output.to_owned() }, file))
    }

    /// Waits until the file is on the medium, gives it its name and tells its size in bytes.
    ///
    /// # Errors
    /// When the medium fails; then there is no file.
    pub fn finish(self, file: &File) -> io::Result<u64> {
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        self.path.persist(&self.output)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.csv");
        let (unfinished, mut file) = Unfinished::beside(&output).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!output.exists());
        drop(unfinished);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        let (unfinished, mut file) = Unfinished::beside(&output).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(unfinished.finish(&file).unwrap(), 5);
        assert_eq!(fs::read(&output).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Unfinished::beside(&folder.path().join("no/out.csv")).is_err());
    }

    /// Others may read what a shop exports, as far as its mask allows.
    #[cfg(unix)]
    #[test]
    fn the_file_has_the_permissions_of_any_other() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let (plain, output) = (folder.path().join("plain"), folder.path().join("out"));
        File::create(&plain).unwrap();
        let (unfinished, file) = Unfinished::beside(&output).unwrap();
        unfinished.finish(&file).unwrap();
        assert_eq!(mode(&output), mode(&plain));
    }
}
