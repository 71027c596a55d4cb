//! The guide of support teams names every exception and every note, and none that is not.

use std::collections::BTreeSet;

use melouvert_migration::proof::{NoteKind, Reason};
use serde::Serialize;
use serde::de::DeserializeOwned;

const GUIDE: &str = include_str!("../../../docs/support.md");

/// The rows of a chapter's table below its head: each row's cells.
fn rows(chapter: &str) -> Vec<Vec<String>> {
    let (_, rest) = GUIDE.split_once(chapter).expect("the chapter");
    let lines = rest.lines().skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    table.map(cells).collect()
}

fn identifier<T: Serialize>(value: T) -> String {
    let value = serde_json::to_value(value).expect("JSON");
    value.as_str().expect("a name").to_owned()
}

/// The table's first column holds these identifiers, each once, and every cell says something.
fn covers<T: Serialize + DeserializeOwned + Copy>(chapter: &str, all: &[T], columns: usize) {
    let mut told = BTreeSet::new();
    for row in rows(chapter) {
        assert_eq!(row.len(), columns, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let name = row[0].trim_matches('`').to_owned();
        let known: Result<T, _> = serde_json::from_value(name.clone().into());
        assert!(known.is_ok(), "{name} is told and unknown");
        assert!(told.insert(name), "{row:?} comes twice");
    }
    let expected: BTreeSet<String> = all.iter().map(|one| identifier(*one)).collect();
    assert_eq!(told, expected);
    assert_eq!(expected.len(), all.len());
}

/// How many variants the source of an enum lists: a list beside it may forget one.
fn variants(name: &str) -> usize {
    let source = include_str!("../src/proof.rs");
    let begin = format!("pub enum {name} {{");
    let (_, rest) = source.split_once(&begin).expect("the enum");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let lines = body.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[test]
fn every_exception_has_its_row() {
    assert_eq!(variants("Reason"), Reason::ALL.len());
    covers("## Exceptions et remèdes", &Reason::ALL, 4);
}

#[test]
fn every_note_has_its_row() {
    assert_eq!(variants("NoteKind"), NoteKind::ALL.len());
    covers("### Remarques", &NoteKind::ALL, 2);
}
