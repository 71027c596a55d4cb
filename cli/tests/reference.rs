//! `docs/cli.md` is what `melouvert reference` prints.

use std::path::Path;

use assert_cmd::Command;

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
        .args(["reference", "--lang", "fr"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == String::from_utf8(output.stdout).unwrap(),
        "docs/cli.md is stale: run `cargo run -p melouvert-cli -- reference --lang fr > docs/cli.md`"
    );
}
