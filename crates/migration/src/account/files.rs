//! Endpoints that are files: their kinds, and how their URLs are written.

use std::path::PathBuf;

/// A kind of files to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A Maildir, Maildir++ or nested Maildirs.
    Maildir,
    /// An mbox file, or a folder of them.
    Mbox(MboxDialect),
    /// A folder or a ZIP of `.eml` files.
    Eml,
    /// Google Takeout's mbox, with its labels.
    Takeout,
    /// An Outlook `.pst` file.
    Pst,
    /// iCalendar files.
    Ical,
    /// vCard files.
    Vcard,
}

/// How an mbox file tells a line of a message from the start of the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MboxDialect {
    /// Found out per file.
    #[default]
    Detect,
    /// `From ` lines of a message have one `>` before them; no level is undone.
    Mboxo,
    /// One `>` is added to `>*From ` lines, and taken away again.
    Mboxrd,
    /// `Content-Length` says where a message ends; `From ` lines have a `>` nonetheless.
    Mboxcl,
    /// `Content-Length` says where a message ends; nothing is quoted.
    Mboxcl2,
}

impl MboxDialect {
    const ALL: [(&str, Self); 5] = [
        ("auto", Self::Detect),
        ("mboxo", Self::Mboxo),
        ("mboxrd", Self::Mboxrd),
        ("mboxcl", Self::Mboxcl),
        ("mboxcl2", Self::Mboxcl2),
    ];
}

/// A kind of files to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileTargetKind {
    /// A Maildir++.
    Maildir,
    /// The reversibility format: mbox, EML and a hashed manifest.
    Export,
}

/// Files at a place, of one of the kinds `K`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files<K> {
    /// What they are.
    pub kind: K,
    /// Where they are.
    pub path: PathBuf,
    url: String,
    name: String,
}

/// Files to read.
pub type FileOrigin = Files<FileKind>;
/// Files to write.
pub type FileDestination = Files<FileTargetKind>;

impl<K> Files<K> {
    fn at(kind: K, path: PathBuf, scheme: &str, query: &str) -> Self {
        let name = path.display().to_string();
        let url = format!("{scheme}:{name}{query}");
        Self {
            kind,
            path,
            url,
            name,
        }
    }

    /// The URL that names them.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path, as it is shown.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FileOrigin {
    /// Files of a kind at a place.
    pub fn new(kind: FileKind, path: impl Into<PathBuf>) -> Self {
        let query = match kind {
            FileKind::Mbox(dialect) if dialect != MboxDialect::Detect => MboxDialect::ALL
                .iter()
                .find(|(_, known)| *known == dialect)
                .map(|(name, _)| format!("?dialect={name}"))
                .unwrap_or_default(),
            _ => String::new(),
        };
        let scheme = match kind {
            FileKind::Maildir => "maildir",
            FileKind::Mbox(_) => "mbox",
            FileKind::Eml => "eml",
            FileKind::Takeout => "takeout",
            FileKind::Pst => "pst",
            FileKind::Ical => "ical",
            FileKind::Vcard => "vcard",
        };
        Self::at(kind, path.into(), scheme, &query)
    }

    /// Reads a URL such as `mbox:/p?dialect=mboxrd`; `None` when its scheme names no files. The
    /// path is taken as it stands, without any percent-decoding.
    pub(super) fn parse(url: &str) -> Option<Result<Self, String>> {
        let (scheme, rest) = url.split_once(':')?;
        let (kind, rest) = match scheme {
            "maildir" => (FileKind::Maildir, rest),
            "mbox" => match dialect(rest) {
                Ok((dialect, rest)) => (FileKind::Mbox(dialect), rest),
                Err(reason) => return Some(Err(reason)),
            },
            "eml" => (FileKind::Eml, rest),
            "takeout" => (FileKind::Takeout, rest),
            "pst" => (FileKind::Pst, rest),
            "ical" => (FileKind::Ical, rest),
            "vcard" => (FileKind::Vcard, rest),
            _ => return None,
        };
        Some(absolute(scheme, rest).map(|path| Self::new(kind, path)))
    }
}

impl FileDestination {
    /// Files of a kind at a place.
    pub fn new(kind: FileTargetKind, path: impl Into<PathBuf>) -> Self {
        let scheme = match kind {
            FileTargetKind::Maildir => "maildir",
            FileTargetKind::Export => "export",
        };
        Self::at(kind, path.into(), scheme, "")
    }

    /// Reads a URL such as `export:/p`; `None` when its scheme names no files that can be written.
    pub(super) fn parse(url: &str) -> Option<Result<Self, String>> {
        let (scheme, rest) = url.split_once(':')?;
        let kind = match scheme {
            "maildir" => FileTargetKind::Maildir,
            "export" => FileTargetKind::Export,
            _ => return None,
        };
        Some(absolute(scheme, rest).map(|path| Self::new(kind, path)))
    }
}

fn dialect(rest: &str) -> Result<(MboxDialect, &str), String> {
    let Some((path, name)) = rest.rsplit_once("?dialect=") else {
        return Ok((MboxDialect::Detect, rest));
    };
    let found = MboxDialect::ALL.iter().find(|(known, _)| *known == name);
    match found {
        Some((_, dialect)) => Ok((*dialect, path)),
        None => Err(format!(
            "the dialect \"{name}\" is unknown; write mboxo, mboxrd, mboxcl, mboxcl2 or auto"
        )),
    }
}

/// The path behind a scheme, made absolute: it names the account's journal.
fn absolute(scheme: &str, rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(['\0', '\r', '\n']) {
        return Err(format!("the path is missing; write {scheme}:/folder/file"));
    }
    std::path::absolute(path).map_err(|error| format!("the path \"{path}\" is unusable: {error}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn urls_name_files() {
        let parse = |url: &str| FileOrigin::parse(url).expect(url);
        for (url, kind, path) in [
            ("maildir:/a/b", FileKind::Maildir, "/a/b"),
            ("eml:///a/Mes mails.zip", FileKind::Eml, "/a/Mes mails.zip"),
            ("mbox:/a?b", FileKind::Mbox(MboxDialect::Detect), "/a?b"),
            (
                "mbox:/a%20?dialect=mboxcl2",
                FileKind::Mbox(MboxDialect::Mboxcl2),
                "/a%20",
            ),
        ] {
            let files = parse(url).expect(url);
            assert_eq!((files.kind, files.path.as_path()), (kind, Path::new(path)));
            assert_eq!(parse(files.url()).expect(url), files);
        }
        for bad in ["pst:", "mbox:/a?dialect=x", "mbox:?dialect=mboxo"] {
            parse(bad).expect_err(bad);
        }
        assert_eq!(FileOrigin::parse("imaps://a"), None);
        assert_eq!(FileOrigin::parse("export:/a"), None);
        assert_eq!(FileDestination::parse("mbox:/a"), None);
        let target = FileDestination::parse("export:/a").expect("known");
        assert_eq!(target.expect("good").kind, FileTargetKind::Export);
    }

    #[test]
    fn a_relative_path_becomes_absolute() {
        let files = FileOrigin::parse("pst:old.pst")
            .expect("known")
            .expect("good");
        assert!(files.path.is_absolute());
        assert!(files.path.ends_with("old.pst"));
    }
}
