//! `dovecot-keywords` of a folder and `subscriptions` of a mailbox.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::super::disk;
use super::lock::DotLock;

const KEYWORDS: &str = "dovecot-keywords";
const SUBSCRIPTIONS: &str = "subscriptions";
/// Letters that a file name has for keywords.
const MOST: usize = 26;

fn read(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(disk::at(path, &error)),
    }
}

/// Keywords in the order of their letters.
pub(super) fn keywords(folder: &Path) -> io::Result<Vec<String>> {
    let text = read(&folder.join(KEYWORDS))?;
    let mut names = Vec::new();
    for line in text.lines() {
        if let Some((number, name)) = line.split_once(' ')
            && let Ok(number) = number.parse::<usize>()
            && number < MOST
        {
            names.resize(names.len().max(number + 1), String::new());
            name.clone_into(&mut names[number]);
        }
    }
    Ok(names)
}

/// Gives letters to keywords that have none, while there are letters left.
pub(super) fn add_keywords(
    folder: &Path,
    wanted: &[String],
    host: &str,
) -> io::Result<Vec<String>> {
    let path = folder.join(KEYWORDS);
    let _lock = DotLock::of(&path, host)?;
    let mut names = keywords(folder)?;
    let before = names.len();
    for keyword in wanted {
        if names.len() < MOST && !names.iter().any(|name| name.eq_ignore_ascii_case(keyword)) {
            names.push(keyword.clone());
        }
    }
    if names.len() > before {
        let mut text = String::new();
        for (number, name) in names
            .iter()
            .enumerate()
            .filter(|(_, name)| !name.is_empty())
        {
            writeln!(text, "{number} {name}").map_err(io::Error::other)?;
        }
        disk::replace(&path, &folder.join("dovecot-keywords.tmp"), text.as_bytes())?;
    }
    Ok(names)
}

/// Adds folders to the subscriptions, in the form that the file has.
pub(super) fn subscribe(root: &Path, names: &[&str], host: &str) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let path = root.join(SUBSCRIPTIONS);
    let _lock = DotLock::of(&path, host)?;
    let mut text = read(&path)?;
    let tabs = text.starts_with("V\t2");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let before = text.len();
    for name in names {
        let line = if tabs {
            name.replace('.', "\t")
        } else {
            (*name).to_owned()
        };
        if !text.lines().any(|known| known == line) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    if text.len() > before {
        disk::replace(&path, &root.join("subscriptions.tmp"), text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_keep_their_letters_and_end_at_z() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join(KEYWORDS), "0 Travail\n2 $Junk\n").expect("write");
        let wanted: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
        let names = add_keywords(folder.path(), &wanted, "h").expect("add");
        assert_eq!(
            (names.len(), names[0].as_str(), names[2].as_str()),
            (26, "Travail", "$Junk")
        );
        assert_eq!(names[3], "k0");
        assert_eq!(keywords(folder.path()).expect("read"), names);
    }

    #[test]
    fn subscriptions_keep_their_form() {
        let root = tempfile::tempdir().expect("folder");
        subscribe(root.path(), &["A.B", "C"], "h").expect("first");
        subscribe(root.path(), &["C", "D"], "h").expect("second");
        let path = root.path().join(SUBSCRIPTIONS);
        assert_eq!(fs::read_to_string(&path).expect("text"), "A.B\nC\nD\n");
        fs::write(&path, "V\t2\n\nA\tB\n").expect("write");
        subscribe(root.path(), &["A.B", "A.C"], "h").expect("third");
        assert_eq!(
            fs::read_to_string(&path).expect("text"),
            "V\t2\n\nA\tB\nA\tC\n"
        );
    }
}
