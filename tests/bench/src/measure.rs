//! Time, memory and processor of a set of processes, read from /proc.

use std::collections::{HashMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// What one run of a tool took.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Measure {
    /// Wall-clock seconds.
    pub wall: f64,
    /// Processor seconds of the tool.
    pub tool_cpu: f64,
    /// Processor seconds of the source server.
    pub source_cpu: f64,
    /// Processor seconds of the target server.
    pub target_cpu: f64,
    /// Peak resident memory of the tool's processes together, in MB.
    pub rss_mb: f64,
    /// False when a process ended with an error.
    pub succeeded: bool,
}

const TICKS: f64 = 100.0;

/// One process's line in /proc.
struct Stat {
    parent: u32,
    own: u64,
    children: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        children: number(13)? + number(14)?,
    })
}

fn all() -> HashMap<u32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return HashMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

fn family(root: u32, table: &HashMap<u32, Stat>) -> HashSet<u32> {
    let mut members = HashSet::from([root]);
    loop {
        let before = members.len();
        let more = table
            .iter()
            .filter(|(_, stat)| members.contains(&stat.parent));
        let more: Vec<u32> = more.map(|(pid, _)| *pid).collect();
        members.extend(more);
        if members.len() == before {
            return members;
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "processor ticks of one run")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS
}

/// Processor seconds that a server and all its processes, living and dead, have used.
pub fn family_cpu(root: u32) -> f64 {
    let table = all();
    let ticks = family(root, &table)
        .iter()
        .filter_map(|pid| table.get(pid))
        .map(|stat| stat.own + stat.children)
        .sum();
    seconds(ticks)
}

fn rss_mb(roots: &[u32]) -> f64 {
    let table = all();
    let members: HashSet<u32> = roots
        .iter()
        .flat_map(|root| family(*root, &table))
        .collect();
    let kilobytes: u64 = members
        .iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .filter_map(|text| {
            let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum();
    #[allow(clippy::cast_precision_loss, reason = "kilobytes of one run")]
    let kilobytes = kilobytes as f64;
    kilobytes / 1024.0
}

/// Runs lists of commands: the lists side by side, the commands of one list in turn.
pub fn run(lanes: Vec<Vec<Command>>, source: u32, target: u32) -> anyhow::Result<Measure> {
    let (source_before, target_before) = (family_cpu(source), family_cpu(target));
    let own_before = stat(std::process::id()).map_or(0, |stat| stat.children);
    let begun = Instant::now();
    let mut measure = Measure {
        succeeded: true,
        ..Measure::default()
    };
    let mut lanes: Vec<std::vec::IntoIter<Command>> =
        lanes.into_iter().map(Vec::into_iter).collect();
    let mut running: Vec<Option<Child>> = lanes.iter_mut().map(|_| None).collect();
    loop {
        let mut busy = false;
        for (lane, child) in lanes.iter_mut().zip(&mut running) {
            if let Some(process) = child {
                let Some(status) = process.try_wait()? else {
                    busy = true;
                    continue;
                };
                measure.succeeded &= status.success();
                *child = None;
            }
            if let Some(mut command) = lane.next() {
                command.stdin(Stdio::null());
                *child = Some(
                    command
                        .spawn()
                        .with_context(|| format!("failed to run {command:?}"))?,
                );
                busy = true;
            }
        }
        if !busy {
            break;
        }
        let roots: Vec<u32> = running.iter().flatten().map(Child::id).collect();
        measure.rss_mb = measure.rss_mb.max(rss_mb(&roots));
        std::thread::sleep(Duration::from_millis(10));
    }
    measure.wall = begun.elapsed().as_secs_f64();
    let own = stat(std::process::id()).map_or(0, |stat| stat.children);
    measure.tool_cpu = seconds(own - own_before);
    measure.source_cpu = family_cpu(source) - source_before;
    measure.target_cpu = family_cpu(target) - target_before;
    Ok(measure)
}
