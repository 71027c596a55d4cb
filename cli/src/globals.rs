//! Options that every command takes, and the context that commands receive.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::{
    errors::CliError,
    kube,
    printer::{Format, Printer},
    progress::Progress,
    text::{Lang, Text},
};

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The language of texts: fr or en
    #[arg(long, global = true, value_name = "LANG", env = "MELOUVERT_LANG")]
    pub lang: Option<Lang>,
    /// How data are printed: table, json, yaml or name
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub output: Format,
    /// The kubeconfig file; otherwise KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace where Melouvert itself runs
    #[arg(
        long,
        global = true,
        value_name = "NAMESPACE",
        env = "MELOUVERT_SYSTEM_NAMESPACE",
        default_value = "melouvert-system"
    )]
    pub system_namespace: String,
    /// Say what is done, on stderr; twice for the requests
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Print help; more of it with --help
    #[arg(short, long, global = true, action = ArgAction::Help)]
    pub help: Option<bool>,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When the output is a terminal and NO_COLOR is unset.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes every `anstream` writer of the process follow this choice.
    pub fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// The language of texts.
    pub lang: Lang,
    /// Where data go.
    pub printer: Printer,
    /// The namespace where Melouvert itself runs.
    pub system_namespace: String,
    globals: Globals,
}

impl Context {
    /// The context of one run.
    pub fn new(globals: Globals, lang: Lang) -> Self {
        Self {
            lang,
            printer: Printer::new(globals.output, lang),
            system_namespace: globals.system_namespace.clone(),
            globals,
        }
    }

    /// Connects with the kubeconfig; no request is sent yet.
    pub async fn client(&self) -> Result<::kube::Client, CliError> {
        kube::connect(
            self.globals.kubeconfig.as_deref(),
            self.globals.context.as_deref(),
        )
        .await
    }

    /// What the kubeconfig says, for the platform API's own connection.
    pub async fn config(&self) -> Result<::kube::Config, CliError> {
        kube::config(
            self.globals.kubeconfig.as_deref(),
            self.globals.context.as_deref(),
        )
        .await
    }

    /// A progress line on stderr.
    pub fn progress(&self) -> Progress {
        Progress::start(self.lang)
    }

    /// Says something to the person, on stderr: stdout carries data alone.
    pub fn note(&self, text: &Text) {
        crate::printer::to_stderr(text.in_lang(self.lang));
    }
}
