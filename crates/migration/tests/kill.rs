//! Kills the copying process at random moments; at the end nothing is lost, doubled or altered.

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Lab;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn copier(lab: &Lab) -> Command {
    let csv = lab.directory.path().join("accounts.csv");
    std::fs::write(&csv, lab.csv_with(lab.source.port, lab.target.port)).expect("csv");
    let mut command = Command::new(common::copier());
    command
        .args(["--allow-cleartext", "--jobs", "2", "--accounts"])
        .arg(csv);
    command.arg("--state").arg(lab.state());
    command
        .arg("--report")
        .arg(lab.directory.path().join("report.json"));
    command.stdin(Stdio::null());
    command
}

#[test]
fn random_kills_lose_and_double_nothing() {
    let lab = Lab::new(600, 2);
    let mut random = StdRng::seed_from_u64(std::process::id().into());
    let mut killed = 0;
    let deadline = Instant::now() + Duration::from_mins(10);
    while killed < common::kills() && Instant::now() < deadline {
        let mut child = copier(&lab).spawn().expect("the copier starts");
        std::thread::sleep(Duration::from_millis(random.random_range(5..400)));
        let ended = child.try_wait().expect("wait");
        if ended.is_some() {
            // Copied before the kill: forget a part, as if the disk had lost it, and go on.
            common::damage_journals(&lab, &mut random);
            killed += 1;
            continue;
        }
        child.kill().expect("kill -9");
        child.wait().expect("wait");
        killed += 1;
    }
    let status = copier(&lab).status().expect("the copier runs");
    let report = std::fs::read_to_string(lab.directory.path().join("report.json"));
    assert!(status.success(), "{status}: {report:?}");
    lab.assert_alike();
}
