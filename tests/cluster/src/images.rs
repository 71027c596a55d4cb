//! The base images, made here from Debian's busybox, upstream's pause and CoreDNS: OCI archives
//! with one layer each, the same bytes every time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::{At as _, Result};
use crate::run;

/// Raise it when the images' content changes.
pub const FORMAT: &str = "images 1";

struct Image<'a> {
    name: &'a str,
    entrypoint: &'a [&'a str],
    command: &'a [&'a str],
    fill: &'a dyn Fn(&Path) -> Result<()>,
}

/// Makes `images/NAME.tar` below `set`; `kubernetes` is the source of module k8s.io/kubernetes.
pub fn build(kubernetes: &Path, set: &Path) -> Result<()> {
    let folder = set.join("images");
    fs::create_dir_all(&folder).at("create", &folder)?;
    let pause = |root: &Path| compile_pause(kubernetes, &root.join("pause"));
    let coredns = |root: &Path| copy(&set.join("coredns"), &root.join("coredns"));
    for image in [
        Image {
            name: "pause",
            entrypoint: &["/pause"],
            command: &[],
            fill: &pause,
        },
        Image {
            name: "busybox",
            entrypoint: &[],
            command: &["/bin/sh"],
            fill: &fill_busybox,
        },
        Image {
            name: "coredns",
            entrypoint: &["/coredns"],
            command: &[],
            fill: &coredns,
        },
    ] {
        write_archive(&image, &folder)?;
    }
    Ok(())
}

fn compile_pause(kubernetes: &Path, target: &Path) -> Result<()> {
    let source = kubernetes.join("build/pause/linux/pause.c");
    run::output(
        Command::new("gcc")
            .args([
                "-Os",
                "-Wall",
                "-static",
                "-s",
                "-DVERSION=melouvert-cluster",
                "-o",
            ])
            .arg(target)
            .arg(source),
    )
    .map(drop)
}

fn fill_busybox(root: &Path) -> Result<()> {
    let bin = root.join("bin");
    fs::create_dir_all(&bin).at("create", &bin)?;
    copy(Path::new("/bin/busybox"), &bin.join("busybox"))?;
    for applet in run::output(Command::new("/bin/busybox").arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", bin.join(applet)).at("link", bin.join(applet))?;
        }
    }
    let etc = root.join("etc");
    fs::create_dir_all(&etc).at("create", &etc)?;
    let users = etc.join("passwd");
    fs::write(&users, "root:x:0:0:root:/:/bin/sh\n").at("write", &users)?;
    for empty in ["tmp", "dev", "proc", "sys", "var"] {
        fs::create_dir_all(root.join(empty)).at("create", root.join(empty))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).at("copy", from).map(drop)
}

fn write_archive(image: &Image<'_>, folder: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(folder).at("create a folder in", folder)?;
    let root = work.path().join("root");
    fs::create_dir_all(&root).at("create", &root)?;
    (image.fill)(&root)?;
    let layer_path = work.path().join("layer.tar");
    pack(&root, &layer_path)?;
    let layer = fs::read(&layer_path).at("read", &layer_path)?;

    let layout = work.path().join("layout");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).at("create", &blobs)?;
    let layer = blob(&blobs, &layer, "application/vnd.oci.image.layer.v1.tar")?;
    let config = json!({
        "architecture": architecture(std::env::consts::ARCH),
        "os": "linux",
        "config": {"Entrypoint": image.entrypoint, "Cmd": image.command, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = blob(
        &blobs,
        config.to_string().as_bytes(),
        "application/vnd.oci.image.config.v1+json",
    )?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let mut manifest = blob(&blobs, manifest.to_string().as_bytes(), kind)?;
    manifest["annotations"] =
        json!({"io.containerd.image.name": format!("localhost/{}:1", image.name)});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    for (name, content) in [
        ("index.json", index),
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
    ] {
        fs::write(layout.join(name), content.to_string()).at("write", layout.join(name))?;
    }
    pack(&layout, &folder.join(format!("{}.tar", image.name)))
}

/// Stores a blob and returns its descriptor.
fn blob(folder: &Path, bytes: &[u8], kind: &str) -> Result<Value> {
    let digest = hex::encode(Sha256::digest(bytes));
    fs::write(folder.join(&digest), bytes).at("write", folder.join(&digest))?;
    Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
}

fn pack(folder: &Path, archive: &Path) -> Result<()> {
    run::output(
        Command::new("tar")
            .args([
                "--sort=name",
                "--mtime=@0",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--format=gnu",
            ])
            .args(["--mode=a+rX,u+w,go-w", "-cf"])
            .arg(archive)
            .arg("-C")
            .arg(folder)
            .arg("."),
    )
    .map(drop)
}

fn architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_the_same_every_time_and_names_its_image() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fill = |root: &Path| fs::write(root.join("hello"), "hello").at("write", root);
        let image = Image {
            name: "hello",
            entrypoint: &["/hello"],
            command: &[],
            fill: &fill,
        };
        let archive = folder.path().join("hello.tar");
        let mut made = Vec::new();
        for _ in 0..2 {
            write_archive(&image, folder.path()).expect("written");
            made.push(fs::read(&archive).expect("read"));
        }
        assert_eq!(made[0], made[1]);
        let index = run::output(
            Command::new("tar")
                .args(["-xOf"])
                .arg(&archive)
                .arg("./index.json"),
        )
        .expect("an index");
        assert!(index.contains("localhost/hello:1"), "{index}");
    }
}
