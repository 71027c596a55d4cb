//! Reads `.ics` and `.vcf` files, one or a folder of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Collection, Kind, lines::Malformed, split};
use crate::model::FolderPath;
use crate::proof::{CollectionProof, Exception, Reason};
use crate::raw;
use crate::target::disk;

/// Largest file that is read: a calendar of a hundred thousand entries is smaller.
const LARGEST: u64 = 512 << 20;

/// What an import gave.
#[derive(Debug, Default)]
pub struct Import {
    /// One per collection.
    pub collections: Vec<CollectionProof>,
    /// Everything that was not kept as an object.
    pub exceptions: Vec<Exception>,
}

/// Imports one file, or all files with the kind's extension below a folder.
pub fn import(kind: Kind, source: &Path, root: &Path, account: &str) -> io::Result<Import> {
    let mut files = Vec::new();
    let base = if source.is_dir() {
        find(kind, source, &mut files)?;
        source
    } else {
        files.push(source.to_owned());
        source.parent().unwrap_or(source)
    };
    files.sort();
    if files.is_empty() {
        let words = format!("it holds no .{} file", kind.extension());
        let error = io::Error::new(io::ErrorKind::NotFound, words);
        return Err(disk::at(source, &error));
    }
    let mut import = Import::default();
    for file in files {
        let name = file.strip_prefix(base).unwrap_or(&file).with_extension("");
        let levels: Vec<String> = name
            .components()
            .map(|level| level.as_os_str().to_string_lossy().into_owned())
            .collect();
        import_file(kind, &file, &levels, root, account, &mut import)?;
    }
    Ok(import)
}

fn find(kind: Kind, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder).map_err(|error| disk::at(folder, &error))? {
        let entry = entry?;
        let path = entry.path();
        let wanted = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case(kind.extension()));
        if entry.file_type()?.is_dir() {
            find(kind, &path, files)?;
        } else if wanted {
            files.push(path);
        }
    }
    Ok(())
}

fn import_file(
    kind: Kind,
    file: &Path,
    levels: &[String],
    root: &Path,
    account: &str,
    import: &mut Import,
) -> io::Result<()> {
    let mut collection = Collection::open(root, kind, levels)?;
    let mut except = |collection: &mut Collection, size: Option<u64>, words: String| {
        collection.fail();
        let path = FolderPath(vec!["collections".to_owned(), levels.join("/")]);
        let mut exception =
            Exception::new(account, &path, None, Reason::CollectionItemInvalid).saying(words);
        exception.size = size;
        import.exceptions.push(exception);
    };
    let size = fs::metadata(file)
        .map_err(|error| disk::at(file, &error))?
        .len();
    if size > LARGEST {
        let words = format!("{}: larger than 512 MiB; split the file", file.display());
        except(&mut collection, Some(size), words);
        import.collections.push(collection.finish()?);
        return Ok(());
    }
    let bytes = fs::read(file).map_err(|error| disk::at(file, &error))?;
    collection.keep_original(&bytes)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let words = format!("{}: {}", file.display(), Malformed::NotUtf8(0));
        except(&mut collection, Some(size), words);
    } else {
        let text = raw::text(&bytes);
        let split = split(kind, &text);
        for object in &split.objects {
            collection.add(object)?;
        }
        for bad in split.bad {
            let uid = bad.uid.map_or(String::new(), |uid| format!(", UID {uid}"));
            // The place in the file, where a raw byte is one byte.
            let start = raw::bytes(&text[..bad.bytes.start]).len();
            let size = raw::bytes(&text[bad.bytes.clone()]).len();
            let words = format!("{}, byte {start}{uid}: {}", file.display(), bad.why);
            except(&mut collection, Some(size as u64), words);
        }
    }
    import.collections.push(collection.finish()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_whatever_their_alphabet() {
        let source = tempfile::tempdir().expect("folder");
        let root = tempfile::tempdir().expect("folder");
        let card =
            b"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=Windows-1252:Lef\xe8vre\r\nEND:VCARD\r\n";
        let folded = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Zo\xc3\r\n \xa9\r\nEND:VCARD\r\n";
        let bad = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:\xe9\r\nEND:VCARD\r\n";
        let all = [&card[..], folded, bad].concat();
        fs::write(source.path().join("a.vcf"), &all).expect("write");
        let utf16 = "\u{feff}BEGIN".encode_utf16().flat_map(u16::to_le_bytes);
        let utf16: Vec<u8> = utf16.collect();
        fs::write(source.path().join("b.vcf"), utf16).expect("write");
        let import = import(Kind::Contacts, source.path(), root.path(), "a").expect("import");
        let of = |place: usize| {
            let proof: &CollectionProof = &import.collections[place];
            (proof.items, proof.exceptions)
        };
        assert_eq!((of(0), of(1)), ((2, 1), (0, 1)));
        let at = card.len() + folded.len();
        let words = [
            format!("byte {at}: line 12, FN, is not UTF-8"),
            "byte 0 is not UTF-8".to_owned(),
        ];
        for (told, words) in import.exceptions.iter().zip(words) {
            assert!(told.detail.contains(&words), "{}", told.detail);
        }
        assert_eq!(import.exceptions[0].size, Some(bad.len() as u64));
        let kept = fs::read_dir(root.path().join("contacts/a")).expect("objects");
        let mut kept: Vec<Vec<u8>> = kept
            .map(|entry| fs::read(entry.expect("entry").path()).expect("an object"))
            .collect();
        kept.sort();
        assert_eq!(kept, [&card[..], folded]);
    }

    #[test]
    fn a_folder_of_cards_with_one_bad() {
        let source = tempfile::tempdir().expect("folder");
        let root = tempfile::tempdir().expect("folder");
        let text =
            "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nEND:VCARD\r\nBEGIN:VCARD\r\nEND:VCARD\r\n";
        fs::create_dir(source.path().join("equipe")).expect("folder");
        fs::write(source.path().join("equipe/Contacts.VCF"), text).expect("write");
        let run = || import(Kind::Contacts, source.path(), root.path(), "a").expect("import");
        let import = run();
        let proof = &import.collections[0];
        assert_eq!(
            (proof.name.as_str(), proof.items, proof.exceptions),
            ("equipe/Contacts", 1, 1)
        );
        assert!(!proof.complete);
        let why = &import.exceptions[0].detail;
        assert!(
            why.contains("byte 43: VERSION must stand once in VCARD"),
            "{why}"
        );
        assert_eq!(run().collections[0].written, 0);
        let kept =
            fs::read_to_string(root.path().join("contacts/equipe/Contacts.vcf")).expect("kept");
        assert_eq!(kept, text);
    }
}
