//! Two real Dovecots for the tests of `melouvert migrate`.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{fs, process::Command};

use melouvert_bench::{
    corpus, dovecot,
    dovecot::{Dovecot, PASSWORD},
    seeds,
};
use serde_json::Value;

const HEAD: &str = "source_url,source_user,source_password,target_url,target_user,target_password";

/// An old server with real messages, a new one, and a folder to work in.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub old: Dovecot,
    pub new: Dovecot,
}

impl Lab {
    pub fn start() -> Self {
        Self::start_with(&dovecot::Options::default())
    }

    /// The same with a new server of its own kind.
    pub fn start_with(target: &dovecot::Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let mail = old.join("mail");
        let options = corpus::Options {
            messages: 60,
            mailboxes: 2,
            seed: 3,
            largest: 200_000,
        };
        corpus::write(&seeds::load().expect("seeds"), options, &mail).expect("corpus");
        dovecot::give_to_server(&mail).expect("chown");
        let source = dovecot::Options {
            format: dovecot::Format::Maildir,
            ..dovecot::Options::default()
        };
        fs::create_dir_all(&new).expect("folder");
        Self {
            old: Dovecot::start(&old, &source).expect("old server"),
            new: Dovecot::start(&new, target).expect("new server"),
            folder,
        }
    }

    pub fn write(&self, name: &str, passwords: [&str; 2]) {
        self.write_from(self.old.port, name, passwords);
    }

    /// The same with the old server behind another port.
    pub fn write_from(&self, old: u16, name: &str, passwords: [&str; 2]) {
        let new = self.new.port;
        let mut csv = format!("{HEAD}\n");
        for (index, password) in passwords.into_iter().enumerate() {
            let user = corpus::mailbox_name(index);
            let from = format!("imap://127.0.0.1:{old},{user},{password}");
            let to = format!("imap://127.0.0.1:{new},{user},{PASSWORD}");
            csv.extend([from.as_str(), ",", &to, "\n"]);
        }
        fs::write(self.folder.path().join(name), csv).expect("written");
    }

    /// Runs `melouvert migrate`: exit code, and all that it said.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
            .args(["migrate"])
            .args(args)
            .env_clear()
            .env("HOME", "/nonexistent")
            .current_dir(self.folder.path())
            .output()
            .expect("melouvert starts");
        let words = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let words = String::from_utf8(words).expect("UTF-8");
        (output.status.code().unwrap_or(-1), words)
    }

    pub fn json(&self, name: &str) -> Value {
        let text = fs::read(self.folder.path().join(name)).expect("read");
        serde_json::from_slice(&text).expect("JSON")
    }

    pub fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}
