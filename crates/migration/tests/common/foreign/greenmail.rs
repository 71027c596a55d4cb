//! GreenMail, from Maven.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Foreign, fetched, free_port, run};

const VERSION: &str = "2.1.3";
const INSTALL: &str = "as root: apt-get install maven default-jre-headless";

/// GreenMail with the user `agent01`.
pub fn start(directory: &Path, password: &str) -> Foreign {
    let files = fetched("greenmail", |place| {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy"]);
        maven.arg(format!(
            "-Dartifact=com.icegreen:greenmail-standalone:{VERSION}"
        ));
        maven.arg(format!("-DoutputDirectory={}", place.display()));
        run(&mut maven, INSTALL);
    });
    let port = free_port();
    let child = Command::new("java")
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dgreenmail.imap.port={port}"))
        .arg("-Dgreenmail.imap.hostname=127.0.0.1")
        .arg(format!("-Dgreenmail.users=agent01:{password}"))
        .arg("-Dgreenmail.users.login=local_part")
        .arg("-jar")
        .arg(files.join(format!("greenmail-standalone-{VERSION}.jar")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("stderr")).expect("file"))
        .spawn()
        .expect(INSTALL);
    Foreign::started(port, directory, child)
}
