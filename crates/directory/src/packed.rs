//! The packed form: zstd over UTF-8 columns, which compress better than rows.
//!
//! One column per field in the order of [`COLUMNS`], one value a line, columns separated by U+001E.

use std::{io, str::FromStr};

use crate::{Entry, Form};

const COLUMNS: [&str; 7] = [
    "form",
    "insee",
    "siren",
    "name",
    "population",
    "departement",
    "region",
];
const SEPARATOR: char = '\u{1e}';
/// Slow to pack, as fast to unpack as any other.
const LEVEL: i32 = 19;

/// Why the packed directory was refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// zstd refused it.
    #[error("failed to decompress the directory")]
    Compression(#[source] io::Error),
    /// The text inside is not UTF-8.
    #[error("failed to read the directory as UTF-8")]
    Encoding(#[from] std::string::FromUtf8Error),
    /// Columns are absent or have different lengths.
    #[error(
        "failed to read the directory: expected {expected} columns of equal length, found lengths {found:?}"
    )]
    Shape {
        /// How many columns are expected.
        expected: usize,
        /// The lengths found.
        found: Vec<usize>,
    },
    /// One value is wrong.
    #[error("failed to read {value:?} as {column} on line {line} of the directory")]
    Value {
        /// The column's name.
        column: &'static str,
        /// The line, from 1.
        line: usize,
        /// The value found.
        value: String,
    },
    /// A name would break the columns.
    #[error("failed to pack {name:?}: a name has no line break")]
    Name {
        /// The name found.
        name: String,
    },
}

/// Packs entries in their order: the same entries give the same bytes.
pub fn pack(entries: &[Entry]) -> Result<Vec<u8>, DirectoryError> {
    if let Some(bad) = entries.iter().find(|e| e.name.contains(['\n', SEPARATOR])) {
        return Err(DirectoryError::Name {
            name: bad.name.clone(),
        });
    }
    let fields: [fn(&Entry) -> String; COLUMNS.len()] = [
        |e| e.form.code().into(),
        |e| {
            e.insee
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default()
        },
        |e| e.siren.to_string(),
        |e| e.name.clone(),
        |e| e.population.to_string(),
        |e| e.departement.clone(),
        |e| e.region.clone(),
    ];
    let columns = fields.map(|field| entries.iter().map(field).collect::<Vec<_>>().join("\n"));
    let text = columns.join(&SEPARATOR.to_string());
    zstd::encode_all(text.as_bytes(), LEVEL).map_err(DirectoryError::Compression)
}

/// Unpacks what [`pack`] made.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Entry>, DirectoryError> {
    let text = zstd::decode_all(bytes).map_err(DirectoryError::Compression)?;
    let text = String::from_utf8(text)?;
    let columns: Vec<Vec<&str>> = text
        .split(SEPARATOR)
        .map(|column| column.split('\n').collect())
        .collect();
    let length = columns.first().map_or(0, Vec::len);
    if columns.len() != COLUMNS.len() || columns.iter().any(|column| column.len() != length) {
        let found = columns.iter().map(Vec::len).collect();
        return Err(DirectoryError::Shape {
            expected: COLUMNS.len(),
            found,
        });
    }
    (0..length).map(|line| entry(&columns, line)).collect()
}

fn entry(columns: &[Vec<&str>], line: usize) -> Result<Entry, DirectoryError> {
    let insee = columns[1][line];
    Ok(Entry {
        form: Form::parse(columns[0][line]).ok_or_else(|| bad(0, line, columns[0][line]))?,
        insee: if insee.is_empty() {
            None
        } else {
            Some(value(columns, 1, line)?)
        },
        siren: value(columns, 2, line)?,
        name: columns[3][line].into(),
        population: value(columns, 4, line)?,
        departement: columns[5][line].into(),
        region: columns[6][line].into(),
    })
}

fn value<T: FromStr>(
    columns: &[Vec<&str>],
    column: usize,
    line: usize,
) -> Result<T, DirectoryError> {
    let text = columns[column][line];
    text.parse().map_err(|_| bad(column, line, text))
}

fn bad(column: usize, line: usize, value: &str) -> DirectoryError {
    DirectoryError::Value {
        column: COLUMNS[column],
        line: line + 1,
        value: value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caen() -> Entry {
        Entry {
            form: Form::Commune,
            insee: Some("14118".parse().unwrap()),
            siren: "211401187".parse().unwrap(),
            name: "Caen".into(),
            population: 109_400,
            departement: "14".into(),
            region: "28".into(),
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let epci = Entry {
            form: Form::CommunauteUrbaine,
            insee: None,
            ..caen()
        };
        let entries = vec![caen(), epci];
        assert_eq!(unpack(&pack(&entries).unwrap()).unwrap(), entries);
    }

    #[test]
    fn broken_bytes_are_refused_with_their_place() {
        let packed = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert!(matches!(
            unpack(b"no zstd"),
            Err(DirectoryError::Compression(_))
        ));
        assert!(matches!(
            unpack(&packed("a")),
            Err(DirectoryError::Shape { .. })
        ));
        let columns = ["COM", "14118", "211401188", "Caen", "1", "14", "28"];
        let error = unpack(&packed(&columns.join("\u{1e}"))).unwrap_err();
        assert!(
            matches!(
                error,
                DirectoryError::Value {
                    column: "siren",
                    line: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_would_break_the_columns_is_refused() {
        let bad = Entry {
            name: "Ca\nen".into(),
            ..caen()
        };
        assert!(matches!(pack(&[bad]), Err(DirectoryError::Name { .. })));
    }
}
