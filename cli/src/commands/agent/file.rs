//! The CSV file of an import: every bad line is named with its column.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};
use melouvert_api::wire::{NewAgent, Password};

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The line of the file, from 1.
    pub line: u64,
    /// The column's name, or its number when it has none.
    pub column: String,
    /// What is wrong, in French.
    pub fr: String,
    /// What is wrong, in English.
    pub en: String,
}

impl Flaw {
    fn new(
        line: u64,
        column: impl Into<String>,
        fr: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self {
            line,
            column: column.into(),
            fr: fr.into(),
            en: en.into(),
        }
    }
}

const COLUMNS: [&str; 4] = ["address", "name", "quota", "password"];

/// Reads a file whose columns are `address,name` and optionally `quota,password`, in any order.
pub fn read(input: impl Read) -> Result<Vec<NewAgent>, Vec<Flaw>> {
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .trim(Trim::Headers)
        .from_reader(input);
    let places = match reader.headers() {
        Ok(headers) => places(headers).map_err(|flaw| vec![flaw])?,
        Err(error) => return Err(vec![unreadable(&error, 1)]),
    };
    let mut agents = Vec::new();
    let mut flaws = Vec::new();
    for record in reader.records() {
        match record {
            Err(error) => flaws.push(unreadable(&error, 0)),
            Ok(record) => match agent(&record, &places) {
                Ok(agent) => agents.push(agent),
                Err(flaw) => flaws.push(flaw),
            },
        }
    }
    if flaws.is_empty() && agents.is_empty() {
        flaws.push(Flaw::new(
            2,
            "1",
            "le fichier ne contient aucun agent",
            "the file has no agent",
        ));
    }
    if flaws.is_empty() {
        Ok(agents)
    } else {
        Err(flaws)
    }
}

/// Where each column of the file stands.
struct Places {
    width: usize,
    at: [Option<usize>; COLUMNS.len()],
}

fn places(headers: &StringRecord) -> Result<Places, Flaw> {
    let mut at = [None; COLUMNS.len()];
    for (place, header) in headers.iter().enumerate() {
        // Spreadsheets write a byte-order mark before the first header.
        let header = header.trim_start_matches('\u{feff}');
        let known = COLUMNS.iter().position(|c| *c == header);
        let number = (place + 1).to_string();
        match known {
            Some(column) if at[column].is_none() => at[column] = Some(place),
            Some(_) => {
                return Err(Flaw::new(
                    1,
                    number,
                    format!("la colonne « {header} » vient deux fois"),
                    format!("column {header:?} comes twice"),
                ));
            }
            None => {
                let hint = if header.contains(';') {
                    (
                        " (le séparateur est la virgule)",
                        " (the separator is a comma)",
                    )
                } else {
                    ("", "")
                };
                return Err(Flaw::new(
                    1,
                    number,
                    format!(
                        "colonne « {header} » inconnue : attendu address,name,quota,password{}",
                        hint.0
                    ),
                    format!(
                        "unknown column {header:?}: expected address,name,quota,password{}",
                        hint.1
                    ),
                ));
            }
        }
    }
    for (column, place) in COLUMNS.iter().zip(at).take(2) {
        if place.is_none() {
            return Err(Flaw::new(
                1,
                *column,
                format!("la colonne « {column} » manque à l'en-tête"),
                format!("the header lacks column {column:?}"),
            ));
        }
    }
    Ok(Places {
        width: headers.len(),
        at,
    })
}

fn agent(record: &StringRecord, places: &Places) -> Result<NewAgent, Flaw> {
    let line = record.position().map_or(0, csv::Position::line);
    if record.len() != places.width {
        let (found, wanted) = (record.len(), places.width);
        let column = found.min(wanted) + 1;
        return Err(Flaw::new(
            line,
            column.to_string(),
            format!("{found} valeurs, {wanted} attendues"),
            format!("{found} values, {wanted} expected"),
        ));
    }
    let get = |column: usize| {
        places.at[column]
            .and_then(|place| record.get(place))
            .filter(|value| !value.is_empty())
    };
    let needed = |column: usize| {
        get(column)
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| Flaw::new(line, COLUMNS[column], "valeur absente", "missing value"))
    };
    Ok(NewAgent {
        address: needed(0)?,
        name: needed(1)?,
        quota: get(2)
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .map(str::to_owned),
        // As it is: a blank may belong to a password.
        password: get(3).map(Password::new),
        line: Some(line),
    })
}

fn unreadable(error: &csv::Error, fallback: u64) -> Flaw {
    let line = error.position().map_or(fallback, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => Flaw::new(
            line,
            (err.field() + 1).to_string(),
            "le texte n'est pas en UTF-8 : enregistrez le fichier en « CSV UTF-8 »",
            "the text is not UTF-8: save the file as \"CSV UTF-8\"",
        ),
        _ => Flaw::new(
            line,
            "1",
            format!("ligne illisible : {error}"),
            format!("unreadable line: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(text: &[u8]) -> Vec<(u64, String)> {
        read(text)
            .unwrap_err()
            .into_iter()
            .map(|f| (f.line, f.column))
            .collect()
    }

    #[test]
    fn a_good_file_is_read() {
        let text = "\u{feff}name,address,password\nJeanne Martin,jeanne@caen.example, deux mots \n\"Paul, le maire\",paul@caen.example,\n";
        let agents = read(text.as_bytes()).unwrap();
        assert_eq!(agents[0].address, "jeanne@caen.example");
        assert_eq!(agents[0].password.as_ref().unwrap().expose(), " deux mots ");
        assert_eq!(agents[1].name, "Paul, le maire");
        assert_eq!(
            (agents[1].line, agents[1].password.is_none()),
            (Some(3), true)
        );
    }

    #[test]
    fn a_bad_line_is_named_with_its_column() {
        let text = b"address,name\na@b.fr,A\n,B\nc@b.fr\nd@b.fr,D,x\n";
        assert_eq!(
            flaws(text),
            [(3, "address".into()), (4, "2".into()), (5, "3".into())]
        );
    }

    #[test]
    fn a_line_number_counts_quoted_line_breaks() {
        let text = b"address,name\na@b.fr,\"A\nB\"\nb@b.fr,\n";
        assert_eq!(flaws(text), [(4, "name".into())]);
    }

    #[test]
    fn a_bad_header_is_line_one() {
        assert_eq!(flaws(b"address,nom\n"), [(1, "2".into())]);
        assert_eq!(flaws(b"address\n"), [(1, "name".into())]);
        assert_eq!(flaws(b"address,name,name\n"), [(1, "3".into())]);
        assert!(
            read(&b"address;name\n"[..]).unwrap_err()[0]
                .en
                .contains("comma")
        );
        assert_eq!(flaws(b"address,name\n"), [(2, "1".into())]);
    }

    #[test]
    fn latin1_is_named_as_such() {
        assert_eq!(flaws(b"address,name\na@b.fr,Ren\xe9\n"), [(2, "2".into())]);
    }
}
