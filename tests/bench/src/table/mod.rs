//! Medians and ratios as Markdown tables, in French, as the documentation shows them.

mod goals;

use std::fmt::Write as _;

use crate::cases::Case;
use crate::measure::Measure;
use crate::rounds::Run;
use crate::tools::Tool;

/// The median; none of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[count / 2]),
        count => Some(f64::midpoint(values[count / 2 - 1], values[count / 2])),
    }
}

/// One pass of a run.
type Pass = fn(&Run) -> Option<Measure>;

#[expect(clippy::unnecessary_wraps, reason = "the passes share one signature")]
fn first(run: &Run) -> Option<Measure> {
    Some(run.first)
}

fn second(run: &Run) -> Option<Measure> {
    run.second
}

fn delta(run: &Run) -> Option<Measure> {
    run.delta
}

/// All runs, asked for medians.
#[derive(Clone, Copy)]
struct Runs<'a>(&'a [Run]);

impl<'a> Runs<'a> {
    fn of(self, case: Case, tool: Tool) -> impl Iterator<Item = &'a Run> + Clone {
        self.0
            .iter()
            .filter(move |run| run.case == case && run.tool == tool)
    }

    fn median(self, case: Case, tool: Tool, pass: Pass, value: fn(&Measure) -> f64) -> Option<f64> {
        let passes = self.of(case, tool).filter_map(pass);
        median(passes.map(|measure| value(&measure)).collect())
    }

    fn wall(self, case: Case, tool: Tool, pass: Pass) -> Option<f64> {
        self.median(case, tool, pass, |measure| measure.wall)
    }

    /// Cases in the order in which they ran.
    fn cases(self) -> Vec<Case> {
        let mut cases = Vec::new();
        for run in self.0 {
            if !cases.contains(&run.case) {
                cases.push(run.case);
            }
        }
        cases
    }

    fn tools(self, case: Case) -> Vec<Tool> {
        let mut tools = Vec::new();
        for run in self.0.iter().filter(|run| run.case == case) {
            if !tools.contains(&run.tool) {
                tools.push(run.tool);
            }
        }
        tools
    }
}

/// A number as French writes it; `–` for none.
fn french(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| {
        format!("{value:.digits$}").replace('.', ",")
    })
}

/// A ratio; none when either is not known, or too short to be told from nothing.
fn ratio(above: Option<f64>, below: Option<f64>) -> Option<f64> {
    let (above, below) = (above?, below?);
    (below > 0.0).then(|| above / below)
}

/// The goals, then one table per case.
pub fn render(runs: &[Run]) -> String {
    let runs = Runs(runs);
    let mut out = goals::render(runs);
    for case in runs.cases() {
        one_case(runs, case, &mut out);
    }
    arrived(runs, &mut out);
    out
}

fn one_case(runs: Runs<'_>, case: Case, out: &mut String) {
    let some = runs.0.iter().filter(|run| run.case == case);
    let messages = some.clone().map(|run| run.messages).max().unwrap_or(0);
    let rounds = some.map(|run| run.round + 1).max().unwrap_or(0);
    let _ = write!(
        out,
        "\n### {} : {messages} messages, {rounds} tour(s)\n\n\
         | Outil | Durée (s) | Messages/s | × le moteur | Processeur outil + source + cible (s) | \
         Mémoire (Mo) | Sans changement (s) | × le moteur | Fichiers de la cible écrits | \
         Après 20 changements (s) | Mémoire (Mo) |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        case.title()
    );
    for tool in runs.tools(case) {
        line(runs, case, tool, messages, out);
    }
}

fn line(runs: Runs<'_>, case: Case, tool: Tool, messages: usize, out: &mut String) {
    let of = |value| runs.median(case, tool, first, value);
    let wall = of(|m| m.wall);
    #[allow(clippy::cast_precision_loss, reason = "a count of messages")]
    let rate = wall.map(|wall| messages as f64 / wall);
    let again = runs.wall(case, tool, second);
    let written = runs.of(case, tool).filter_map(|run| run.written).max();
    let cpu = [
        of(|m| m.tool_cpu),
        of(|m| m.source_cpu),
        of(|m| m.target_cpu),
    ];
    let sum = cpu.iter().flatten().sum::<f64>();
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} + {} + {} = {} | {} | {} | {} | {} | {} | {} |",
        tool.title(),
        french(wall, 2),
        french(rate, 0),
        french(ratio(wall, runs.wall(case, Tool::Ours, first)), 2),
        french(cpu[0], 2),
        french(cpu[1], 2),
        french(cpu[2], 2),
        french(Some(sum), 1),
        french(of(|m| m.rss_mb), 0),
        french(again, 2),
        french(ratio(again, runs.wall(case, Tool::Ours, second)), 1),
        written.map_or("–".to_owned(), |written| written.to_string()),
        french(runs.wall(case, tool, delta), 2),
        french(runs.median(case, tool, delta, |m| m.rss_mb), 0),
    );
}

/// What arrived, as a third party read it, and how tools ended.
fn arrived(runs: Runs<'_>, out: &mut String) {
    out.push_str(
        "\n### Ce qui est arrivé, vu par un tiers\n\n\
         | Cas | Outil | Messages | Absents | En trop | Drapeaux ou dates changés | \
         Abonnements perdus | Fin |\n|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs.0 {
        let ended = run.last_words.as_deref();
        let Some(seen) = run.difference else {
            if let Some(words) = ended {
                let (case, tool) = (run.case.title(), run.tool.title());
                let _ = writeln!(
                    out,
                    "| {case} | {tool} | | | | | | échec : `{}` |",
                    plain(words)
                );
            }
            continue;
        };
        let end = ended.map_or("code 0".to_owned(), |words| {
            format!("échec : `{}`", plain(words))
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {end} |",
            run.case.title(),
            run.tool.title(),
            seen.messages,
            seen.absent,
            seen.extra,
            seen.metadata,
            seen.subscriptions,
        );
    }
}

/// Text that does not break a table.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
        assert_eq!(french(median(vec![1.25]), 1), "1,2");
        assert_eq!(ratio(Some(1.0), Some(0.0)), None);
    }
}
