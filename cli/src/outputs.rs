//! Files that a command writes at its end: tried before it begins, so that hours of work are not
//! told to nobody.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use crate::{errors::CliError, text::text};

/// Refuses paths that cannot be written, before anything is done; nothing is changed by it. Each
/// comes with the option that names it.
pub fn check(paths: &[(&str, Option<&Path>)]) -> Result<(), CliError> {
    for (place, (option, path)) in paths.iter().enumerate() {
        let Some(path) = path else { continue };
        try_file(path).map_err(|error| unwritable(option, path, &error))?;
        let twice = paths[..place]
            .iter()
            .find(|(_, other)| other.is_some_and(|other| same(other, path)));
        if let Some((other, _)) = twice {
            let shown = path.display();
            return Err(CliError::usage(text!(
                "{option} et {other} désignent le même fichier, {shown}",
                "{option} and {other} name the same file, {shown}"
            ))
            .remedy(text!(
                "donnez un fichier à chacun ; rien n'a été fait",
                "give each a file of its own; nothing was done"
            )));
        }
    }
    Ok(())
}

/// Refuses a folder that cannot be made or written in.
pub fn check_folder(option: &str, path: &Path) -> Result<(), CliError> {
    let tried = || {
        let made = !path.exists();
        fs::create_dir_all(path)?;
        let probe = path.join(".melouvert-essai");
        let written = fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe));
        if made && written.is_err() {
            fs::remove_dir(path)?;
        }
        written
    };
    tried().map_err(|error: io::Error| unwritable(option, path, &error))
}

fn same(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one)
            .ok()
            .is_some_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

/// Opens a file for writing and leaves it as it is; one that was not there is not there afterwards.
fn try_file(path: &Path) -> io::Result<()> {
    let fresh = fs::symlink_metadata(path).is_err();
    OpenOptions::new().append(true).create(true).open(path)?;
    if fresh {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn unwritable(option: &str, path: &Path, error: &dyn std::error::Error) -> CliError {
    let shown = path.display();
    CliError::usage(text!(
        "{option} {shown} ne peut pas être écrit",
        "{option} {shown} cannot be written"
    ))
    .caused_by(error)
    .remedy(text!(
        "donnez un chemin dont le dossier existe et où vous pouvez écrire ; rien n'a été fait",
        "give a path whose folder exists and where you may write; nothing was done"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_refused_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("here"), "kept").unwrap();
        check(&[
            ("--report", Some(&at("here"))),
            ("--html", Some(&at("new"))),
            ("--save", None),
        ])
        .unwrap();
        assert_eq!(fs::read_to_string(at("here")).unwrap(), "kept");
        assert!(!at("new").exists());
        for bad in [
            at("no/where/r.json"),
            folder.path().to_owned(),
            at("here/r.json"),
            at(""),
        ] {
            let error = check(&[("--report", Some(&bad))]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad:?}");
            assert!(error.message.fr.starts_with("--report "), "{error:?}");
        }
        let both = at("both");
        let error = check(&[("--report", Some(&both)), ("--html", Some(&both))]).unwrap_err();
        assert!(
            error.message.en.contains("--html and --report"),
            "{error:?}"
        );
    }

    #[test]
    fn a_folder_is_made_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b");
        check_folder("--state", &state).unwrap();
        assert!(state.is_dir());
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
        fs::write(folder.path().join("file"), "").unwrap();
        let error = check_folder("--state", &folder.path().join("file")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        check_folder("--state", &folder.path().join("file/below")).unwrap_err();
    }
}
