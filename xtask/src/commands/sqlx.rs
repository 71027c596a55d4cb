//! `cargo xtask sqlx`: what the compiler knows of the databases, in `.sqlx/`.
#![allow(
    clippy::print_stdout,
    reason = "the result of a command goes to the standard output"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};

use crate::debian::{self, Need};

/// Debian's `nobody`, since PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// Arguments of `cargo xtask sqlx`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only tell whether .sqlx/ is up to date
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask sqlx`: compiles `crates/store` against a throw-away PostgreSQL with both
/// schemas, and keeps what the compiler learnt.
///
/// # Errors
/// When PostgreSQL is not installed, a migration or a statement is wrong, or with `--check` when
/// `.sqlx/` is stale.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has no parent directory")?;
    debian::require(&[Need::Sqlx])?;
    let database = Database::start()?;
    for file in migrations(root)? {
        database.apply(&file)?;
    }
    let fresh = tempfile::tempdir()?;
    compile(root, &database, fresh.path())?;
    let kept = root.join(".sqlx");
    let (new, old) = (read(fresh.path())?, read(&kept)?);
    if args.check {
        ensure!(
            new == old,
            ".sqlx/ is stale: run `cargo xtask sqlx` and commit it"
        );
    } else {
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            fs::remove_file(kept.join(name))?;
        }
        fs::create_dir_all(&kept)?;
        for (name, text) in &new {
            fs::write(kept.join(name), text)?;
        }
    }
    println!("{} statements, .sqlx/ is up to date", new.len());
    Ok(())
}

/// Both schemas in one database; the journal is the same in both.
fn migrations(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for kind in ["tenant", "platform"] {
        let directory = root.join("crates/store/migrations").join(kind);
        for entry in fs::read_dir(directory)? {
            files.push(entry?.path());
        }
    }
    files.retain(|path| !path.ends_with("platform/0001_journal.sql"));
    files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    Ok(files)
}

fn compile(root: &Path, database: &Database, into: &Path) -> anyhow::Result<()> {
    // The macros run only when the crate is compiled anew.
    let library = root.join("crates/store/src/lib.rs");
    fs::File::options()
        .append(true)
        .open(&library)?
        .set_modified(std::time::SystemTime::now())?;
    let status = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--package", "melouvert-store"])
        .current_dir(root)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", into)
        .env("DATABASE_URL", database.url())
        .status()?;
    ensure!(
        status.success(),
        "crates/store does not compile against its schemas"
    );
    Ok(())
}

fn read(directory: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !directory.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.insert(name.into_owned(), fs::read_to_string(&path)?);
    }
    Ok(files)
}

/// A PostgreSQL that listens on a socket in a temporary directory and goes when dropped.
struct Database {
    binaries: PathBuf,
    directory: tempfile::TempDir,
}

impl Database {
    fn start() -> anyhow::Result<Self> {
        let database = Self {
            binaries: binaries()?,
            directory: tempfile::tempdir()?,
        };
        let directory = database.directory.path();
        if is_root()? {
            chown(directory, Some(NOBODY), Some(NOBODY))?;
        }
        let data = database.data();
        database.run(
            "initdb",
            &["-D", &data, "-U", "melouvert", "-A", "trust", "--no-sync"],
        )?;
        let options = format!("-c listen_addresses= -k {}", directory.display());
        let log = directory.join("log").display().to_string();
        database.run(
            "pg_ctl",
            &["-D", &data, "-l", &log, "-w", "-o", &options, "start"],
        )?;
        Ok(database)
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn url(&self) -> String {
        let host = self.directory.path().display();
        format!("postgres://melouvert@localhost/postgres?host={host}")
    }

    fn apply(&self, file: &Path) -> anyhow::Result<()> {
        let sql = fs::File::open(file)?;
        let arguments = ["-q", "-v", "ON_ERROR_STOP=1", "-1", "-d", &self.url()];
        let output = self.command("psql", &arguments)?.stdin(sql).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} failed: {errors}",
            file.display()
        );
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let status = self.command(program, arguments)?.status()?;
        ensure!(status.success(), "{program} failed: {status}");
        Ok(())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(self.binaries.join(program));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .stdout(Stdio::null());
        if is_root()? {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(command)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The directory goes in any case; a server without its files stops by itself.
        let _ = self.run(
            "pg_ctl",
            &["-D", &self.data(), "-m", "immediate", "-w", "stop"],
        );
    }
}

fn is_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// The newest installed server's programs.
fn binaries() -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten();
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    match newest {
        Some(version) => Ok(format!("/usr/lib/postgresql/{version}/bin").into()),
        None => bail!("Debian's postgresql brought no /usr/lib/postgresql/*/bin"),
    }
}
