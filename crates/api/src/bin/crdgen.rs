//! Writes the CustomResourceDefinitions into a folder: `crdgen DIR`.

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let dir = std::env::args().nth(1).context("usage: crdgen DIR")?;
    for (name, yaml) in melouvert_api::crds::files()? {
        let path = std::path::Path::new(&dir).join(name);
        std::fs::write(&path, yaml)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}
