//! The first process of a cluster and its forwarders; started by the library, not by people.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match melouvert_cluster::agent::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            melouvert_cluster::agent::complain(&error);
            ExitCode::FAILURE
        }
    }
}
