//! A disk of the test's own, whose power can be cut: what no sync has put on it is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::unistd::Uid;

/// ext4's way to drop everything that is not on disk: `EXT4_IOC_SHUTDOWN`.
const CUT: &str = "import fcntl, os, struct, sys\n\
    disk = os.open(sys.argv[1], os.O_RDONLY)\n\
    fcntl.ioctl(disk, 0x8004587D, struct.pack('I', 2))\n";
/// A cut leaves what was written up to some instant, as the door asks of its volume: names and bytes
/// go through one journal, by itself at most once a minute. Without, files and the ends of indexes
/// are left that are longer than what reached them: docs/architecture.md says what follows.
const OPTIONS: &str = "loop,data=journal,commit=60";

/// Why this machine has no such disk, if it has none.
pub fn missing() -> Option<&'static str> {
    if !Uid::effective().is_root() {
        return Some("it takes root to mount a disk");
    }
    let loops = Path::new("/dev/loop-control").exists();
    (!loops).then_some("this machine has no loop devices")
}

/// A mounted image.
pub struct Disk {
    image: PathBuf,
    /// Where it is mounted.
    pub root: PathBuf,
}

fn must(command: &mut Command) {
    let output = command.output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

impl Disk {
    /// Makes and mounts a disk in `directory`.
    pub fn new(directory: &Path) -> Self {
        let disk = Self {
            image: directory.join("disk.img"),
            root: directory.join("disk"),
        };
        std::fs::create_dir_all(&disk.root).expect("folder");
        let image = std::fs::File::create(&disk.image).expect("image");
        image.set_len(1 << 30).expect("room");
        must(
            Command::new("mkfs.ext4")
                .args(["-q", "-F"])
                .arg(&disk.image),
        );
        disk.mount();
        disk
    }

    fn mount(&self) {
        let mut mount = Command::new("mount");
        must(mount.args(["-o", OPTIONS]).arg(&self.image).arg(&self.root));
    }

    /// Another program has a file of its own synced, and by that what all others wrote so far.
    pub fn neighbour_syncs(&self) {
        let path = self.root.join("neighbour");
        let file = std::fs::File::create(path).expect("a file");
        file.sync_all().expect("a sync");
    }

    /// Cuts the power.
    pub fn cut(&self) {
        let mut python = Command::new("python3");
        must(python.args(["-c", CUT]).arg(&self.root));
    }

    /// Comes up again; everybody must have left it.
    pub fn come_up(&self) {
        self.unmount();
        self.mount();
    }

    /// Some process of the server whose disk went away leaves it after 30 seconds only.
    fn unmount(&self) {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let output = Command::new("umount").arg(&self.root).output();
            let output = output.expect("umount runs");
            if output.status.success() {
                return;
            }
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(Instant::now() < deadline, "{errors}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every message's file with its length.
    pub fn messages(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("list") {
                let path = entry.expect("entry").path();
                // Between two looks a file may get its name.
                let Ok(meta) = path.symlink_metadata() else {
                    continue;
                };
                if meta.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| {
                    let name = name.to_string_lossy();
                    name.starts_with("u.") && !name.starts_with("u.temp")
                }) {
                    found.insert(path, meta.len());
                }
            }
        }
        found
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Its user may still be at work; the kernel lets go when that ends.
            let _ = Command::new("umount").arg("-l").arg(&self.root).output();
        } else {
            self.unmount();
        }
    }
}
