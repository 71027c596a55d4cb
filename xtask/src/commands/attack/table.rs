//! The table of the attacks: for a terminal with the results of a run, for docs/ without.

use std::{collections::HashMap, fmt::Write as _};

use super::catalogue::Attack;

/// How an attack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was refused, and its control succeeded.
    Held,
    /// It succeeded, or its control failed.
    Failed,
    /// It was not tried.
    Skipped,
}

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::Held => "tenu",
            Self::Failed => "ÉCHEC",
            Self::Skipped => "non tenté",
        }
    }
}

/// Reads the outcomes in what a test program prints. What a test prints itself may stand between its
/// name and its result, over several lines: the last result before the next test is its own.
pub fn outcomes(printed: &str) -> HashMap<String, Outcome> {
    let mut read = HashMap::new();
    let mut under_way = None;
    for line in printed.lines() {
        let named = line
            .strip_prefix("test ")
            .and_then(|l| l.split_once(" ... "));
        let result = match named {
            Some((name, result)) => {
                under_way = (!result.ends_with("ignored")).then_some(name);
                result.split_whitespace().next_back()
            }
            None => Some(line),
        };
        let outcome = match result {
            Some("ok") => Outcome::Held,
            Some("FAILED") => Outcome::Failed,
            _ => continue,
        };
        if let Some(name) = under_way {
            read.insert(name.to_owned(), outcome);
        }
    }
    read
}

/// One block an attack: who, what, beside what, and how it ended.
pub fn of_run(attacks: &[Attack], outcomes: &HashMap<String, Outcome>) -> String {
    let mut text = String::new();
    let mut attacker = "";
    for attack in attacks {
        if attack.attacker() != attacker {
            attacker = attack.attacker();
            let _ = writeln!(text, "\n{attacker}");
        }
        let outcome = outcomes
            .get(&attack.path())
            .copied()
            .unwrap_or(Outcome::Skipped);
        let _ = writeln!(text, "  [{}] {}", outcome.words(), attack.attempt);
        let _ = writeln!(text, "    témoin : {}", attack.control);
        let _ = writeln!(text, "    essai : {}", attack.path());
    }
    text
}

/// The page of docs/.
pub fn page(attacks: &[Attack]) -> String {
    let mut text = String::from(HEAD);
    let mut attacker = "";
    for attack in attacks {
        if attack.attacker() != attacker {
            attacker = attack.attacker();
            let _ = write!(
                text,
                "\n## {attacker}\n\n| Ce qui est tenté | Témoin : ce qui réussit à côté | Essai |\n|---|---|---|\n"
            );
        }
        let mark = if attack.harmless.is_some() {
            " ◦"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "| {} | {} | `{}`{mark} |",
            cell(&attack.attempt),
            cell(&attack.control),
            attack.path().trim_start_matches("attacks::"),
        );
    }
    text
}

const HEAD: &str = "\
# Ce à quoi Melouvert résiste

Chaque ligne est un essai : une attaque qui doit échouer, et un témoin qui doit réussir à côté, faute
de quoi l'essai ne prouverait rien. `cargo xtask test` les passe tous à chaque changement ; `cargo
xtask attack` les passe seuls et affiche cette table avec les résultats. Ceux que marque « ◦ »
n'arrêtent et ne changent rien : `cargo xtask attack --kubeconfig FICHIER` les passe contre une
installation en service. Ce qui n'est pas tenu est dit dans [securite.md](securite.md).

Page produite par `cargo xtask attack --page`.
";

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attack(harmless: bool) -> Attack {
        Attack {
            module: "dsi".into(),
            test: "x".into(),
            attempt: "a | b".into(),
            control: "c".into(),
            harmless: harmless.then(|| "d".into()),
        }
    }

    #[test]
    fn a_run_is_read_even_when_tests_print() {
        let printed = "running 3 tests\ntest attacks::dsi::x ... ok\n\
            test attacks::dsi::y ... warning: z FAILED\ntest attacks::dsi::w ... ignored\nok\n";
        let read = outcomes(printed);
        assert_eq!(read.get("attacks::dsi::x"), Some(&Outcome::Held));
        assert_eq!(read.get("attacks::dsi::y"), Some(&Outcome::Failed));
        assert_eq!(read.len(), 2);

        // A space that was opened on the way.
        let printed = "running 2 tests\ntest attacks::dsi::x ... Caen : ouverte\n  Offre  ville\nok\n\
            test attacks::dsi::y ... Rouen : ouverte\nok\nFAILED\n\nfailures:\n";
        let opened = outcomes(printed);
        assert_eq!(opened.get("attacks::dsi::x"), Some(&Outcome::Held));
        assert_eq!(opened.get("attacks::dsi::y"), Some(&Outcome::Failed));

        let told = of_run(&[attack(false)], &read);
        assert!(
            told.contains("[tenu] a | b") && told.contains("témoin : c"),
            "{told}"
        );
        let told = of_run(&[attack(false)], &HashMap::new());
        assert!(told.contains("[non tenté]"), "{told}");
    }

    #[test]
    fn a_page_keeps_its_columns() {
        let told = page(&[attack(true)]);
        assert!(told.ends_with("| a \\| b | c | `dsi::x` ◦ |\n"), "{told}");
    }
}
