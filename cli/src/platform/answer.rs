//! What the platform API answered, in words for people.

use std::fmt::Write;

use hyper::StatusCode;
use melouvert_api::wire::{ErrorBody, ErrorDetail};
use serde::de::DeserializeOwned;

use crate::{
    errors::{CliError, Kind},
    text::{Text, de, text},
};

/// A success's body.
pub fn json<T: DeserializeOwned>(bytes: &[u8], doing: &Text) -> Result<T, CliError> {
    let (fr, en) = (de(&doing.fr), &doing.en);
    serde_json::from_slice(bytes).map_err(|error| {
        CliError::failure(text!(
            "impossible {fr} : réponse de la plateforme incompréhensible",
            "failed to {en}: the platform's answer was not understood"
        ))
        .caused_by(&error)
        .remedy(same_version())
    })
}

/// A refusal: its own words when it is the platform's, the bare status otherwise.
pub fn refusal(status: StatusCode, bytes: &[u8], doing: &Text) -> CliError {
    let (fr, en) = (de(&doing.fr), &doing.en);
    let kind = kind(status);
    match serde_json::from_slice::<ErrorBody>(bytes) {
        Ok(ErrorBody { error }) => told(kind, &error, doing),
        Err(_) => CliError::new(
            kind,
            text!(
                "impossible {fr} : la plateforme répond {status}",
                "failed to {en}: the platform answers {status}"
            ),
        )
        .remedy(same_version()),
    }
}

fn kind(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 | 403 => Kind::Refused,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        400 | 413 | 422 => Kind::Usage,
        503 => Kind::Unavailable,
        _ => Kind::Failure,
    }
}

fn told(kind: Kind, error: &ErrorDetail, doing: &Text) -> CliError {
    let (mut fr, mut en) = (error.message_fr.clone(), error.message_en.clone());
    for line in &error.lines {
        let (at, column) = (line.line, &line.column);
        // Writing to a String does not fail.
        let _ = write!(fr, "\n  ligne {at}, colonne {column} : {}", line.message_fr);
        let _ = write!(en, "\n  line {at}, column {column}: {}", line.message_en);
    }
    let field = error
        .field
        .as_ref()
        .filter(|_| error.code == "InvalidField" && error.lines.is_empty());
    let (doing_fr, doing_en) = (de(&doing.fr), &doing.en);
    let message = match field {
        Some(field) => text!(
            "impossible {doing_fr} : {field} : {fr}",
            "failed to {doing_en}: {field}: {en}"
        ),
        None => text!("impossible {doing_fr} : {fr}", "failed to {doing_en}: {en}"),
    };
    let remedy = Text {
        fr: error.remedy_fr.clone(),
        en: error.remedy_en.clone(),
    };
    CliError::new(kind, message).remedy(remedy)
}

fn same_version() -> Text {
    text!(
        "vérifiez que cette version de melouvert est celle de la plateforme : melouvert doctor",
        "check that this melouvert has the platform's version: melouvert doctor"
    )
}

#[cfg(test)]
mod tests {
    use melouvert_api::wire::BadLine;

    use super::*;
    use crate::text::Lang;

    fn body(lines: Vec<BadLine>) -> Vec<u8> {
        let error = ErrorDetail {
            code: "InvalidField".into(),
            field: Some("address".into()),
            message_fr: "mauvais domaine".into(),
            message_en: "wrong domain".into(),
            remedy_fr: "corrigez ce champ".into(),
            remedy_en: "correct this field".into(),
            lines,
        };
        serde_json::to_vec(&ErrorBody { error }).unwrap()
    }

    #[test]
    fn a_refusal_names_field_and_remedy() {
        let doing = text!("ajouter l'agent", "add the agent");
        let error = refusal(StatusCode::UNPROCESSABLE_ENTITY, &body(Vec::new()), &doing);
        assert_eq!(error.kind, Kind::Usage);
        insta::assert_snapshot!(error.render(Lang::Fr), @r"
        erreur : impossible d'ajouter l'agent : address : mauvais domaine
          que faire : corrigez ce champ
        ");
        insta::assert_snapshot!(error.render(Lang::En), @r"
        error: failed to add the agent: address: wrong domain
          remedy: correct this field
        ");
    }

    #[test]
    fn every_bad_line_is_shown() {
        let line = BadLine {
            line: 3,
            column: "quota".into(),
            message_fr: "« 2Zo » n'est pas une taille".into(),
            message_en: "\"2Zo\" is not a size".into(),
        };
        let doing = text!("importer", "import");
        let error = refusal(StatusCode::UNPROCESSABLE_ENTITY, &body(vec![line]), &doing);
        assert!(error.message.fr.contains("ligne 3, colonne quota"));
        assert!(error.message.en.contains("line 3, column quota"));
    }

    #[test]
    fn each_status_has_its_exit_code() {
        for (status, expected) in [
            (401, Kind::Refused),
            (403, Kind::Refused),
            (404, Kind::NotFound),
            (409, Kind::Conflict),
            (422, Kind::Usage),
            (500, Kind::Failure),
            (503, Kind::Unavailable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refusal(status, b"<html>", &text!("x", "x")).kind, expected);
        }
    }
}
