//! Interleaved rounds over the same corpora.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cases::{Case, Corpus};
use crate::corpus::mailbox_name;
use crate::lab::{self, Source, Sources, Target};
use crate::leftovers;
use crate::measure::{self, Measure};
use crate::store;
use crate::tools::{Place, Tool};
use crate::witness::{self, Difference};

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages in all mailboxes.
    pub messages: usize,
    /// Mailboxes.
    pub mailboxes: usize,
    /// Rounds.
    pub rounds: usize,
    /// Cases.
    pub cases: Vec<Case>,
    /// Tools instead of each case's own.
    pub tools: Option<Vec<Tool>>,
    /// Folder to work in.
    pub directory: PathBuf,
    /// Our program.
    pub ours: PathBuf,
    /// The limit's program.
    pub limit: PathBuf,
    /// Mailboxes at once where the case does not say one.
    pub jobs: usize,
}

/// One run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Run {
    /// The case.
    pub case: Case,
    /// The tool.
    pub tool: Tool,
    /// From 0.
    pub round: usize,
    /// Messages in the corpus.
    pub messages: usize,
    /// The first pass.
    pub first: Measure,
    /// The pass with nothing to do.
    pub second: Option<Measure>,
    /// Files of the target's store that the second pass wrote to.
    pub written: Option<usize>,
    /// The pass after a few changes at the source.
    pub delta: Option<Measure>,
    /// What arrived.
    pub difference: Option<Difference>,
    /// The last words of a tool that failed.
    pub last_words: Option<String>,
}

/// Runs everything; `say` hears what is under way, `tell` of each run as it ends.
pub fn run(
    options: &Options,
    say: &dyn Fn(&str),
    mut tell: impl FnMut(&Run) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Run>> {
    let begun = Instant::now();
    let say = |text: &str| {
        let seconds = begun.elapsed().as_secs_f64();
        say(&format!("[{seconds:>5.0} s] {text}"));
    };
    let target = options.directory.join("run");
    leftovers::delete(&target)?;
    let mut sources = Sources::new(&options.directory, options.mailboxes);
    let mut runs = Vec::new();
    for round in 0..options.rounds {
        for case in &options.cases {
            if round >= case.rounds(options.rounds) {
                continue;
            }
            let tools = options.tools.as_deref().unwrap_or(case.tools());
            for tool in tools {
                let title = format!("tour {}, {}, {}", round + 1, case.title(), tool.title());
                say(&title);
                let corpus = case.corpus(options.messages);
                let mailboxes = sources.mailboxes(corpus);
                let source = sources.server(corpus, &say)?;
                let bench = Bench {
                    options,
                    case: *case,
                    tool: *tool,
                    mailboxes,
                    source,
                };
                let run = bench.run(round, corpus)?;
                say(&format!("{title} : {}", brief(&run)));
                tell(&run)?;
                runs.push(run);
            }
        }
    }
    say("effacement de ce que les passages ont laissé");
    leftovers::delete(&target)?;
    Ok(runs)
}

fn brief(run: &Run) -> String {
    let passes = [
        ("", Some(run.first)),
        (", second passage ", run.second),
        (", après changements ", run.delta),
    ];
    let mut text = String::new();
    for (name, measure) in passes {
        if let Some(measure) = measure {
            let _ = write!(text, "{name}{:.2} s", measure.wall);
        }
    }
    if let Some(words) = &run.last_words {
        text.push_str(" ; échec : ");
        text.push_str(words);
    }
    text
}

/// One tool in one case.
struct Bench<'a> {
    options: &'a Options,
    case: Case,
    tool: Tool,
    mailboxes: usize,
    source: &'a Source,
}

impl Bench<'_> {
    fn run(&self, round: usize, corpus: Corpus) -> anyhow::Result<Run> {
        let directory = self.options.directory.join("run");
        let target = Target::start(&directory, self.case, &self.source.server)?;
        let place = self.place(&target)?;
        let (Corpus::Mailboxes(messages) | Corpus::Folder(messages)) = corpus;
        let mut run = Run {
            case: self.case,
            tool: self.tool,
            round,
            messages,
            first: self.pass(&place, &target)?,
            second: None,
            written: None,
            delta: None,
            difference: None,
            last_words: None,
        };
        if self.tool.has_second_pass() {
            let mail = target.directory.join("target/mail");
            let before = store::look(&mail)?;
            run.second = Some(self.pass(&place, &target)?);
            run.written = Some(store::written(&before, &store::look(&mail)?));
            if self.case.has_delta() {
                lab::change(&self.source.server)?;
                run.delta = Some(self.pass(&place, &target)?);
            }
            if round == 0 && self.case.compared() {
                run.difference = Some(self.differences(&target)?);
            }
        }
        let mut passes = [Some(run.first), run.second, run.delta].into_iter();
        if passes.any(|pass| pass.is_some_and(|pass| !pass.succeeded)) {
            run.last_words = Some(last_words(&place.log()));
        }
        Ok(run)
    }

    fn pass(&self, place: &Place, target: &Target) -> anyhow::Result<Measure> {
        let lanes = self.tool.lanes(place)?;
        measure::run(lanes, self.source.server.pid(), target.server.pid())
    }

    fn place(&self, target: &Target) -> anyhow::Result<Place> {
        let (source, to) = target.ports(&self.source.server);
        Ok(Place {
            work: target.directory.join("work"),
            source,
            target: to,
            ca: target.certificates(&self.source.server)?,
            target_configuration: target.server.configuration(),
            mailboxes: self.mailboxes,
            jobs: self.case.jobs(self.options.jobs),
            ours: self.options.ours.clone(),
            limit: self.options.limit.clone(),
        })
    }

    fn differences(&self, target: &Target) -> anyhow::Result<Difference> {
        let mut difference = Difference::default();
        for index in 0..self.mailboxes {
            let user = mailbox_name(index);
            let old = self.source.mailbox(index)?;
            let new = witness::read(target.server.port, &user)?;
            witness::compare(&old, &new, &mut difference);
        }
        Ok(difference)
    }
}

/// The last line of a log that says something.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let said = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    said.unwrap_or("sans un mot").chars().take(160).collect()
}
