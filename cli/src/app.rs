//! The command tree and one run of it.

use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, error::ErrorKind};

use crate::{
    commands::Command,
    errors::{CliError, Kind},
    globals::{Context, Globals},
    harmless::Harmless,
    language, printer,
    text::{Lang, text},
    usage,
};

/// Opens, runs and migrates the spaces of local authorities hosted by Melouvert
#[derive(Debug, Parser)]
#[command(
    name = "melouvert",
    disable_help_flag = true,
    disable_version_flag = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// clap's tree, in English.
pub fn tree() -> clap::Command {
    Cli::command().version(env!("CARGO_PKG_VERSION"))
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let lang = language::detect(&args, |name| std::env::var(name).ok());
    match parse(lang).and_then(|cli| cli.map_or(Ok(()), |cli| execute(cli, lang))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer::to_stderr(&error.render(lang));
            ExitCode::from(error.exit_code())
        }
    }
}

/// The parsed arguments; `None` when help or the version was printed instead.
fn parse(lang: Lang) -> Result<Option<Cli>, CliError> {
    let parsed = language::localize(tree(), lang)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => Ok(Some(cli)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            let _ = error.print();
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            printer::to_stderr(&error.render().to_string());
            Err(CliError::usage(text!(
                "il manque une commande",
                "a command is missing"
            )))
        }
        Err(error) => Err(usage::explain(&error, lang)),
    }
}

fn execute(cli: Cli, lang: Lang) -> Result<(), CliError> {
    cli.globals.color.apply();
    log(cli.globals.verbose);
    let context = Context::new(cli.globals, lang);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            CliError::new(
                Kind::Failure,
                text!("démarrage impossible", "failed to start"),
            )
            .caused_by(&error)
        })?;
    runtime.block_on(cli.command.run(&context))
}

/// Logs to stderr: nothing, what is done, or every request.
fn log(verbose: u8) {
    let filter = match verbose {
        0 => "off",
        1 => "melouvert=info,melouvert_migration=info",
        _ => "melouvert=debug,melouvert_migration=debug,kube=debug",
    };
    // A second call (tests in one process) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        // Colours apart: whatever moves the terminal comes from somebody else.
        .with_ansi(false)
        .with_writer(|| Harmless(std::io::stderr()))
        .try_init();
}
