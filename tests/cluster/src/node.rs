//! The first process of a cluster: carries out the plan, then buries the dead.
//!
//! It is process 1 of its namespace: when it ends, the kernel kills everything in there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use crate::agent::with_causes;
use crate::error::{At as _, Error, Result};
use crate::layout::{Layout, read_json, write_json};
use crate::plan::{Plan, Step};
use crate::process::Identity;
use crate::{probe, run};

/// What the node tells `up`, one JSON object per line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// A step worth showing is done.
    Progress(String),
    /// All is up; nothing follows.
    Ready,
    /// It cannot start.
    Failed(String),
}

/// A component as recorded for `status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Component {
    /// Process id inside.
    pub pid: i32,
    /// How it ended, if it has.
    pub ended: Option<String>,
}

/// Components by name.
pub type Components = BTreeMap<String, Component>;

/// Kernel settings that kubelet adjusts for its whole host: it gets copies of its own instead.
const SHIELDED: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Runs as process 1 until killed.
pub fn run(layout: &Layout) -> Result<()> {
    // Read before /proc is mounted anew: the id and start time as the host sees them.
    write_json(&layout.path("init.json"), &Identity::of_self()?)?;
    prepare_mounts()?;
    let path = layout.path("plan.json");
    let plan: Plan = read_json(&path)?.ok_or_else(|| Error::NotRunning(layout.name.clone()))?;
    let mut node = Node {
        plan: &plan,
        components: Components::new(),
    };
    match plan.steps.iter().try_for_each(|step| node.carry_out(step)) {
        Ok(()) => tell(&Event::Ready)?,
        Err(error) => {
            tell(&Event::Failed(with_causes(&error)))?;
            return Err(error);
        }
    }
    node.bury()
}

/// Fails when `up` is gone: a half-started cluster then ends by itself.
fn tell(event: &Event) -> Result<()> {
    let mut line = serde_json::to_vec(event)
        .map_err(std::io::Error::from)
        .when("encode an event")?;
    line.push(b'\n');
    let mut output = std::io::stdout().lock();
    output
        .write_all(&line)
        .and_then(|()| output.flush())
        .when("report to `up`")
}

fn prepare_mounts() -> Result<()> {
    let none: Option<&str> = None;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).at("mount", "/proc")?;
    // Sockets, locks and leases of the programs stay inside and vanish with the namespace.
    for folder in ["/run", "/var/log", "/var/lib/cni"] {
        fs::create_dir_all(folder).at("create", folder)?;
        let mode = Some("mode=755");
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), mode).at("mount", folder)?;
    }
    fs::create_dir_all("/run/settings").at("create", "/run/settings")?;
    for (index, setting) in SHIELDED.iter().enumerate() {
        let real = Path::new("/proc/sys").join(setting);
        let Ok(value) = fs::read_to_string(&real) else {
            continue;
        };
        let copy = Path::new("/run/settings").join(index.to_string());
        fs::write(&copy, value).at("write", &copy)?;
        mount(Some(&copy), &real, none, MsFlags::MS_BIND, none).at("mount over", &real)?;
    }
    mount(none, "/", none, MsFlags::MS_SHARED | MsFlags::MS_REC, none).at("share mounts below", "/")
}

struct Node<'a> {
    plan: &'a Plan,
    components: Components,
}

impl Node<'_> {
    fn carry_out(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Run(argv) => run::output(&mut self.command(argv)?).map(drop),
            Step::Setting(file, value) => fs::write(file, value).at("write", file),
            Step::Start(name, argv) => self.start(name, argv),
            Step::Await {
                what,
                component,
                probe,
                seconds,
            } => {
                let start = Instant::now();
                loop {
                    let problem = match probe::attempt(probe, &self.plan.path) {
                        Ok(()) => return tell(&Event::Progress(format!("{what} ready"))),
                        Err(problem) => problem,
                    };
                    self.note_ends()?;
                    self.check_alive()?;
                    if start.elapsed() > Duration::from_secs(*seconds) {
                        return Err(self.blame(
                            component,
                            &format!("{what} is not ready after {seconds} s: {problem}"),
                        ));
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    fn command(&self, argv: &[String]) -> Result<Command> {
        let (program, arguments) = argv
            .split_first()
            .ok_or_else(|| std::io::Error::other("the command is empty"))
            .when("read the plan")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("PATH", &self.plan.path)
            .stdin(Stdio::null());
        Ok(command)
    }

    fn start(&mut self, name: &str, argv: &[String]) -> Result<()> {
        let path = self.plan.logs.join(format!("{name}.log"));
        let log = File::create(&path).at("create", &path)?;
        let errors = log.try_clone().at("open", &path)?;
        let child = self
            .command(argv)?
            .stdout(log)
            .stderr(errors)
            .spawn()
            .when(format!("start {name}"))?;
        let pid = i32::try_from(child.id())
            .map_err(std::io::Error::other)
            .when(format!("start {name}"))?;
        self.components
            .insert(name.to_owned(), Component { pid, ended: None });
        write_json(&self.plan.components, &self.components)
    }

    fn check_alive(&self) -> Result<()> {
        match self
            .components
            .iter()
            .find(|(_, component)| component.ended.is_some())
        {
            Some((name, component)) => {
                let how = component.ended.as_deref().unwrap_or_default();
                Err(self.blame(name, &format!("{name} ended ({how})")))
            }
            None => Ok(()),
        }
    }

    fn blame(&self, component: &str, message: &str) -> Error {
        let path = self.plan.logs.join(format!("{component}.log"));
        let log = fs::read(&path).unwrap_or_default();
        let tail = run::indented_tail(&String::from_utf8_lossy(&log), 15);
        Error::Start {
            name: component.to_owned(),
            message: format!("{message}; end of {}:{tail}", path.display()),
        }
    }

    /// Collects every child that has ended, without waiting.
    fn note_ends(&mut self) -> Result<()> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::ECHILD) => return Ok(()),
                Ok(status) => self.note_end(status)?,
                Err(error) => return Err(error).when("wait for children"),
            }
        }
    }

    fn note_end(&mut self, status: WaitStatus) -> Result<()> {
        let (pid, how) = match status {
            WaitStatus::Exited(pid, code) => (pid, format!("exit status {code}")),
            WaitStatus::Signaled(pid, signal, _) => (pid, signal.to_string()),
            _ => return Ok(()),
        };
        let ended = self
            .components
            .values_mut()
            .find(|component| component.pid == pid.as_raw() && component.ended.is_none());
        if let Some(component) = ended {
            component.ended = Some(how);
            write_json(&self.plan.components, &self.components)?;
        }
        Ok(())
    }

    /// Reaps for ever: orphaned shims become children of process 1.
    fn bury(&mut self) -> Result<()> {
        loop {
            let status = waitpid(None, None).when("wait for children")?;
            self.note_end(status)?;
        }
    }
}
