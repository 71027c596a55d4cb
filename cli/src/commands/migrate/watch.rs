//! A migration under one's eyes: bars on a terminal, lines elsewhere.

use std::{collections::BTreeMap, io::IsTerminal};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use melouvert_api::{Migration, migration::MailboxStatus};

use super::lines;
use crate::{
    globals::Context,
    printer::to_stderr,
    text::{Lang, Text},
};

/// One bar per account at work, and one for the whole.
#[derive(Debug)]
pub struct Watch {
    bars: Option<Bars>,
    lang: Lang,
    last: String,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    accounts: BTreeMap<String, ProgressBar>,
}

impl Watch {
    /// Starts on stderr.
    pub fn start(context: &Context) -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(Bars::new),
            lang: context.lang,
            last: String::new(),
        }
    }

    /// Says a sentence; the same twice is said once.
    pub fn say(&mut self, text: &Text) {
        let text = text.in_lang(self.lang);
        if text == self.last {
            return;
        }
        text.clone_into(&mut self.last);
        match &self.bars {
            Some(bars) => bars.whole.set_message(text.to_owned()),
            None => to_stderr(text),
        }
    }

    /// Shows where it stands.
    pub fn show(&mut self, migration: &Migration) {
        let status = migration.status.clone().unwrap_or_default();
        if let Some(bars) = &mut self.bars {
            let messages = status.messages.clone().unwrap_or_default();
            bars.whole.set_length(messages.source.max(1));
            bars.whole.set_position(messages.copied);
            bars.accounts(&status.mailboxes, self.lang);
        }
        self.say(&lines::progress(&status));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            for bar in bars.accounts.values().chain([&bars.whole]) {
                bar.finish_and_clear();
            }
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let whole = all.add(ProgressBar::new(1));
        whole.set_style(style("{bar:30} {percent:>3} % {wide_msg}"));
        Self {
            all,
            whole,
            accounts: BTreeMap::new(),
        }
    }

    /// Accounts that no longer run lose their bar.
    fn accounts(&mut self, mailboxes: &[MailboxStatus], lang: Lang) {
        let running = |mailbox: &&MailboxStatus| mailbox.phase == "Running";
        let now: Vec<&MailboxStatus> = mailboxes.iter().filter(running).collect();
        self.accounts.retain(|user, bar| {
            let stays = now.iter().any(|mailbox| mailbox.user == *user);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for mailbox in now {
            let bar = self
                .accounts
                .entry(mailbox.user.clone())
                .or_insert_with(|| {
                    let bar = self.all.add(ProgressBar::new(1));
                    bar.set_style(style("  {bar:20} {pos}/{len} {wide_msg}"));
                    bar
                });
            bar.set_length(mailbox.messages.source);
            bar.set_position(mailbox.messages.copied);
            let rate = lines::size(mailbox.bytes_per_second.unwrap_or(0));
            let (user, wave) = (&mailbox.user, &mailbox.wave);
            let passes = lang.pick("passage", "pass");
            bar.set_message(format!(
                "{user} ({wave}, {passes} {}) {rate}/s",
                mailbox.pass
            ));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
