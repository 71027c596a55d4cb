//! The two languages, and texts that exist in both.

use clap::ValueEnum;

/// The language of texts for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Lang {
    /// French.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// The French or the English alternative.
    pub fn pick<T>(self, fr: T, en: T) -> T {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
}

/// A text in both languages; made with [`text!`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// French: accents, « », vouvoiement.
    pub fr: String,
    /// English.
    pub en: String,
}

impl Text {
    /// The text in one language.
    pub fn in_lang(&self, lang: Lang) -> &str {
        lang.pick(&self.fr, &self.en)
    }

    /// A text that is the same in both languages, e.g. what a server said.
    pub fn verbatim(text: impl Into<String>) -> Self {
        let fr = text.into();
        Self { en: fr.clone(), fr }
    }
}

/// Builds a [`Text`] from a French then an English format string, both with inline arguments:
/// `text!("le plan {plan} est inconnu", "plan {plan} is unknown")`.
macro_rules! text {
    ($fr:literal, $en:literal $(,)?) => {
        $crate::text::Text {
            fr: format!($fr),
            en: format!($en),
        }
    };
}
pub(crate) use text;

/// « de » before a verb: « d'ouvrir », « de lire ».
pub fn de(verb: &str) -> String {
    let vowel = verb.starts_with(|c: char| "aâàeéèêiîoôuûAEÉIOU".contains(c));
    if vowel {
        format!("d'{verb}")
    } else {
        format!("de {verb}")
    }
}

/// A date for people: `15/12/2026 à 16:00 UTC` or `2026-12-15 16:00 UTC`.
pub fn date(lang: Lang, at: jiff::Timestamp) -> String {
    at.strftime(lang.pick("%d/%m/%Y à %H:%M UTC", "%Y-%m-%d %H:%M UTC"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn de_elides_before_a_vowel() {
        assert_eq!(de("ouvrir"), "d'ouvrir");
        assert_eq!(de("lire"), "de lire");
    }

    #[test]
    fn both_languages_take_the_same_arguments() {
        let plan = "bourg";
        let text = text!("le plan {plan} est inconnu", "plan {plan} is unknown");
        assert_eq!(text.in_lang(Lang::Fr), "le plan bourg est inconnu");
        assert_eq!(text.in_lang(Lang::En), "plan bourg is unknown");
    }
}
