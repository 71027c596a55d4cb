//! Foreign text inside a server's configuration.

/// Filters of the templates.
// The shape that askama's macro gives a filter.
#[allow(clippy::inline_always, clippy::unused_self, clippy::unnecessary_wraps)]
pub(super) mod filters {
    /// Free text as the inside of an SQL literal in a Dovecot query: no quote, expansion, escape
    /// or line end of it survives.
    #[askama::filter_fn]
    pub(crate) fn sql_text(text: &str, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::sql_text(text))
    }
}

fn sql_text(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\'' | '’' => Some("’".to_owned()),
            '"' | '\\' => None,
            '%' => Some("%%".to_owned()),
            other if other.is_control() => Some(" ".to_owned()),
            other => Some(other.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::sql_text;

    #[test]
    fn nothing_ends_the_literal_or_expands() {
        assert_eq!(
            sql_text("l'espace\n\"x\" \\ 50 %{user}"),
            "l’espace x  50 %%{user}"
        );
    }
}
