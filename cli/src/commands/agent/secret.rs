//! Passwords: read from stdin, never from an argument.

use std::io::{BufRead, stdin};

use melouvert_api::wire::Password;

use crate::{errors::CliError, text::text};

/// The first line of stdin when `--password-stdin` was given.
pub fn given(from_stdin: bool) -> Result<Option<Password>, CliError> {
    if from_stdin {
        first_line(&mut stdin().lock()).map(Some)
    } else {
        Ok(None)
    }
}

fn first_line(input: &mut impl BufRead) -> Result<Password, CliError> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| {
        CliError::usage(text!(
            "mot de passe illisible sur l'entrée standard",
            "unreadable password on stdin"
        ))
        .caused_by(&error)
    })?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(CliError::usage(text!(
            "aucun mot de passe sur l'entrée standard",
            "no password on stdin"
        ))
        .remedy(text!(
            "écrivez-le sur l'entrée standard, ou retirez --password-stdin pour qu'il soit fabriqué",
            "write it to stdin, or drop --password-stdin to have one made"
        )));
    }
    Ok(Password::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_the_password() {
        let read = |text: &str| first_line(&mut text.as_bytes());
        assert_eq!(read(" a b \r\nrest").unwrap().expose(), " a b ");
        assert!(read("").is_err());
        assert!(read("\n").is_err());
    }
}
