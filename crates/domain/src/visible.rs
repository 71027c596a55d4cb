//! Texts that people read: what they show is what they hold.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Letters and signs that show nothing although Unicode does not class them as controls: fillers of
/// Hangul and the empty braille cell.
const BLANK: [char; 5] = ['\u{115F}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{FFA0}'];

/// The first character of a text that does not show, or that turns the others around: controls
/// (line breaks too), the bidirectional ones such as U+202E, zero widths, private use.
///
/// # Examples
///
/// ```
/// use melouvert_domain::visible::hidden;
/// assert_eq!(hidden("Saint-Aubin-sur-Mer d'Évreux"), None);
/// assert_eq!(hidden("Caen\u{202E}nueoR"), Some('\u{202E}'));
/// ```
pub fn hidden(text: &str) -> Option<char> {
    text.chars().find(|character| is_hidden(*character))
}

fn is_hidden(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || BLANK.contains(&character)
}

/// `U+202E`: how a character that does not show is named to a person.
pub fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_and_places_are_visible() {
        for name in [
            "Jeanne Martin",
            "L'Haÿ-les-Roses",
            "Œting",
            "Nguyễn Thị Minh",
            "Владимир",
            "مريم",
            "山田太郎",
            "Jean\u{a0}Dupont",
            "e\u{301}vreux",
        ] {
            assert_eq!(hidden(name), None, "{name}");
        }
    }

    #[test]
    fn what_does_not_show_is_named() {
        for character in [
            '\u{202A}',
            '\u{202B}',
            '\u{202C}',
            '\u{202D}',
            '\u{202E}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}',
            '\u{200E}',
            '\u{200F}',
            '\u{061C}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{2060}',
            '\u{FEFF}',
            '\u{00AD}',
            '\u{180E}',
            '\u{2028}',
            '\u{2029}',
            '\u{E0041}',
            '\u{FFF9}',
            '\u{E000}',
            '\u{3164}',
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
        ] {
            let text = format!("Jeanne {character}Martin");
            assert_eq!(hidden(&text), Some(character), "{}", code_point(character));
        }
        assert_eq!(code_point('\u{202E}'), "U+202E");
        assert_eq!(code_point('\t'), "U+0009");
    }
}
