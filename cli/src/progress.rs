//! Progress on stderr: a spinner on a terminal, plain lines elsewhere.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    harmless::{Shown, harmless},
    printer::to_stderr,
    text::{Lang, Text},
};

/// A progress line that repeats nothing.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    lang: Lang,
    last: String,
}

impl Progress {
    /// Starts on stderr.
    pub fn start(lang: Lang) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            lang,
            last: String::new(),
        }
    }

    /// Says where it stands; the same text twice is said once.
    pub fn update(&mut self, text: &Text) {
        let text = text.in_lang(self.lang);
        if text == self.last {
            return;
        }
        text.clone_into(&mut self.last);
        match &self.bar {
            Some(bar) => bar.set_message(harmless(text, Shown::Plainly, false).into_owned()),
            None => to_stderr(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
