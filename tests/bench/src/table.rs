//! Medians and ratios as a Markdown table.

use std::fmt::Write as _;

use crate::measure::Measure;
use crate::rounds::{Case, Run};
use crate::tools::Tool;

/// The median; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// One table per case; `×` is a tool's wall time divided by ours.
pub fn render(runs: &[Run], messages: usize) -> String {
    let mut out = String::new();
    let mut cases: Vec<Case> = runs.iter().map(|run| run.case).collect();
    cases.sort_unstable();
    cases.dedup();
    for case in cases {
        let _ = writeln!(out, "\n### {case:?}\n");
        out.push_str(
            "| tool | wall s | msg/s | ours is × faster | RSS MB | tool CPU s | source CPU s | \
             target CPU s | second pass s | ours is × faster | absent / extra / metadata / \
             subscriptions | exit 0 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        let mut tools: Vec<Tool> = Vec::new();
        for run in runs.iter().filter(|run| run.case == case) {
            if !tools.contains(&run.tool) {
                tools.push(run.tool);
            }
        }
        let of = |tool: Tool, value: fn(&Measure) -> f64| {
            let chosen = runs
                .iter()
                .filter(|run| run.case == case && run.tool == tool);
            median(chosen.map(|run| value(&run.first)).collect())
        };
        let second = |tool: Tool| {
            let chosen = runs
                .iter()
                .filter(|run| run.case == case && run.tool == tool);
            median(
                chosen
                    .filter_map(|run| run.second.map(|second| second.wall))
                    .collect(),
            )
        };
        for tool in tools {
            let wall = of(tool, |m| m.wall);
            #[allow(clippy::cast_precision_loss, reason = "a count of messages")]
            let rate = messages as f64 / wall;
            let mine = runs
                .iter()
                .filter(|run| run.case == case && run.tool == tool);
            let arrived = mine
                .clone()
                .find_map(|run| run.difference)
                .map_or(String::new(), |d| {
                    format!(
                        "{} / {} / {} / {}",
                        d.absent, d.extra, d.metadata, d.subscriptions
                    )
                });
            let good = mine
                .clone()
                .all(|run| run.first.succeeded && run.second.is_none_or(|second| second.succeeded));
            let _ = writeln!(
                out,
                "| {tool:?} | {wall:.2} | {rate:.0} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | \
                 {:.2} | {arrived} | {} |",
                wall / of(Tool::Ours, |m| m.wall),
                of(tool, |m| m.rss_mb),
                of(tool, |m| m.tool_cpu),
                of(tool, |m| m.source_cpu),
                of(tool, |m| m.target_cpu),
                second(tool),
                second(tool) / second(Tool::Ours),
                if good { "yes" } else { "no" },
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    #[allow(clippy::float_cmp, reason = "exact values")]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
    }
}
