//! `melouvert`: the command line of the hoster, the DSI and the support team.
//!
//! Owns: what a person types, the words and exit codes that they get back.
//! Must not know: how a tenant is rendered or reconciled; it asks the cluster and the platform API.

mod app;
mod commands;
mod errors;
mod globals;
mod harmless;
mod input;
mod kube;
mod language;
mod outputs;
mod platform;
mod printer;
mod progress;
mod reasons;
mod text;
mod usage;

fn main() -> std::process::ExitCode {
    app::main()
}
