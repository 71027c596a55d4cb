//! Goal, measured, met.

use std::fmt::Write as _;

use super::{Pass, Runs, delta, first, french, ratio, second};
use crate::cases::Case;
use crate::measure::Measure;
use crate::tools::Tool;

/// One goal and what was measured for it.
struct Goal {
    name: &'static str,
    wanted: String,
    measured: Option<f64>,
    unit: &'static str,
    digits: usize,
    met: fn(f64, f64) -> bool,
    bound: f64,
}

fn at_least(value: f64, bound: f64) -> bool {
    value >= bound
}

fn at_most(value: f64, bound: f64) -> bool {
    value <= bound
}

/// A ratio to be reached.
fn faster(name: &'static str, bound: f64, unit: &'static str, measured: Option<f64>) -> Goal {
    let digits = if bound.fract() == 0.0 { 0 } else { 2 };
    Goal {
        name,
        wanted: format!("≥ {}{unit}", french(Some(bound), digits)),
        measured,
        unit,
        digits: digits.max(1),
        met: at_least,
        bound,
    }
}

/// A bound not to be passed.
fn below(
    name: &'static str,
    bound: f64,
    unit: &'static str,
    digits: usize,
    measured: Option<f64>,
) -> Goal {
    Goal {
        name,
        wanted: format!("≤ {}{unit}", french(Some(bound), digits)),
        measured,
        unit,
        digits,
        met: at_most,
        bound,
    }
}

/// The table of goals; what was not run shows as not measured.
pub(super) fn render(runs: Runs<'_>) -> String {
    let mut out = String::from(
        "### Face aux objectifs\n\n| Objectif | Attendu | Mesuré | Atteint |\n|---|---|---|---|\n",
    );
    let goals = speed(runs).into_iter().chain(cost(runs));
    for goal in goals {
        let met = match goal.measured {
            None => "pas mesuré",
            Some(value) if (goal.met)(value, goal.bound) => "oui",
            Some(_) => "non",
        };
        let measured = goal.measured.map_or("–".to_owned(), |value| {
            format!("{}{}", french(Some(value), goal.digits), goal.unit)
        });
        let _ = writeln!(
            out,
            "| {} | {} | {measured} | {met} |",
            goal.name, goal.wanted
        );
    }
    out
}

const MBSYNC: &str = " × mbsync";
const DOVEADM: &str = " × `doveadm backup`";
const LIMIT: &str = " × la limite";

fn speed(runs: Runs<'_>) -> Vec<Goal> {
    let against = |case: Case, ours: Tool, pass: Pass| {
        let peer = runs.wall(case, Tool::Mbsync, pass);
        ratio(peer, runs.wall(case, ours, pass))
    };
    let first = |case, ours| against(case, ours, first);
    let (with, without) = (Tool::Ours, Tool::OursUnverified);
    let own = |peer: Tool, ours: Tool| {
        let wall = |tool| runs.wall(Case::Own, tool, self::first);
        ratio(wall(peer), wall(ours))
    };
    let slowest = [Case::Lan, Case::Tls, Case::Far, Case::BothFar]
        .into_iter()
        .filter_map(|case| against(case, with, second))
        .reduce(f64::min);
    let against_mbsync = [
        ("boucle locale, relecture comprise", 10.0, Case::Lan, with),
        (
            "boucle locale, sans relecture, comme mbsync",
            10.0,
            Case::Lan,
            without,
        ),
        ("source à 20 ms", 5.0, Case::Far, with),
        ("les deux à 20 ms", 6.0, Case::BothFar, with),
        ("TLS, relecture comprise", 5.0, Case::Tls, with),
        ("TLS, sans relecture", 5.0, Case::Tls, without),
    ]
    .map(|(name, bound, case, ours)| faster(name, bound, MBSYNC, first(case, ours)));
    let (doveadm, limit) = ((1.5, DOVEADM), (0.75, LIMIT));
    let into_our_store = [
        (
            "notre magasin, relecture comprise",
            doveadm,
            Tool::Doveadm,
            with,
        ),
        (
            "notre magasin, sans relecture, comme doveadm",
            doveadm,
            Tool::Doveadm,
            without,
        ),
        (
            "notre magasin, relecture comprise",
            limit,
            Tool::Limit,
            with,
        ),
        ("notre magasin, sans relecture", limit, Tool::Limit, without),
        (
            "notre magasin, sans relecture, face à la limite à un fichier par message",
            limit,
            Tool::LimitFiles,
            without,
        ),
    ]
    .map(|(name, (bound, unit), peer, ours)| faster(name, bound, unit, own(peer, ours)));
    let unchanged = "passage sans changement, cas le moins favorable";
    against_mbsync
        .into_iter()
        .chain(into_our_store)
        .chain([faster(unchanged, 3.0, MBSYNC, slowest)])
        .collect()
}

fn cost(runs: Runs<'_>) -> Vec<Goal> {
    let ours = |case, tool, value| runs.median(case, tool, first, value);
    let more = |value: fn(&Measure) -> f64| {
        let with = ours(Case::Lan, Tool::Ours, value);
        ratio(with, ours(Case::Lan, Tool::OursUnverified, value)).map(|ratio| (ratio - 1.0) * 100.0)
    };
    let source = |tool| ours(Case::Lan, tool, |m| m.source_cpu);
    let near = Case::Lan.jobs(2);
    #[allow(clippy::cast_precision_loss, reason = "a handful of mailboxes")]
    let room = 32.0 * near as f64 + 64.0;
    let large = runs.median(Case::Folder60k, Tool::Ours, delta, |m| m.rss_mb);
    let small = runs.median(Case::Folder6k, Tool::Ours, delta, |m| m.rss_mb);
    vec![
        below(
            "fichiers de la cible écrits sans changement",
            0.0,
            "",
            0,
            written(runs),
        ),
        below(
            "grand dossier, passage après 20 changements",
            0.3,
            " s",
            2,
            runs.wall(Case::Folder60k, Tool::Ours, delta),
        ),
        below(
            "grand dossier, mémoire face au dossier dix fois plus petit",
            1.5,
            " ×",
            2,
            ratio(large, small),
        ),
        below(
            "mémoire, deux boîtes à la fois",
            room,
            " Mo",
            0,
            ours(Case::Lan, Tool::Ours, |m| m.rss_mb),
        ),
        below("relecture, durée", 15.0, " %", 0, more(|m| m.wall)),
        below(
            "relecture, processeur de tous",
            15.0,
            " %",
            0,
            more(|m| m.tool_cpu + m.source_cpu + m.target_cpu),
        ),
        below(
            "processeur de la source",
            0.08,
            MBSYNC,
            2,
            ratio(source(Tool::Ours), source(Tool::Mbsync)),
        ),
    ]
}

/// The most files that a pass of ours without changes wrote to.
fn written(runs: Runs<'_>) -> Option<f64> {
    let ours = runs.0.iter().filter(|run| run.tool == Tool::Ours);
    let most = ours.filter_map(|run| run.written).max()?;
    #[allow(clippy::cast_precision_loss, reason = "a count of files")]
    let most = most as f64;
    Some(most)
}
