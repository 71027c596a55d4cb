//! What a copy spares the old server, when it gives a server up, and how it names folders: options
//! of `migrate copy`, of `migrate plan` and of the Job's worker.

use bytesize::ByteSize;
use melouvert_migration::{Limits, imap::Timeouts};

/// French help of `--limit-rate`.
pub const RATE: &str =
    "Octets par seconde lus chez toutes les sources ensemble, p. ex. 5MB ou 512KiB";
/// French help of `--max-connections`.
pub const CONNECTIONS: &str = "Connexions simultanées à un même ancien serveur";

/// French help of `--min-rate`.
pub const LEAST: &str = "Octets par seconde sous lesquels un serveur est abandonné, en moyenne sur cinq minutes d'attente : 16 par défaut, 0 pour jamais";

/// French help of `--no-special-use`.
pub const SPECIAL_USE: &str =
    "Garder le nom des dossiers d'usage (Envoyés, Corbeille…), même si la cible en a un pour cela";

/// Options that spare the old server.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LimitArgs {
    /// Bytes per second read from all sources together, e.g. 5MB or 512KiB
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    limit_rate: Option<ByteSize>,
    /// Connections to one old server at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_connections: Option<u16>,
    /// Bytes per second under which a server is given up, on average over five minutes of waiting:
    /// 16 by default, 0 for never
    #[arg(long, value_name = "SIZE")]
    min_rate: Option<ByteSize>,
}

impl LimitArgs {
    /// The same as the engine takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            bytes_per_second: self.limit_rate.map(|rate| rate.as_u64()),
            max_connections_per_host: self.max_connections.map(usize::from),
        }
    }

    /// How long servers are waited for.
    pub fn timeouts(&self) -> Timeouts {
        let mut timeouts = Timeouts::default();
        if let Some(rate) = self.min_rate {
            timeouts.pace.bytes_per_second = rate.as_u64();
        }
        timeouts
    }
}

/// Options about folder names at the target.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct NameArgs {
    /// Keep the names of sent mail, trash and the like, even if the target has a folder for that
    #[arg(long)]
    pub no_special_use: bool,
}

fn rate(text: &str) -> Result<ByteSize, String> {
    let text = text.trim().trim_end_matches("/s");
    match text.parse::<ByteSize>() {
        Ok(rate) if rate.as_u64() >= 1024 => Ok(rate),
        Ok(_) => Err("at least 1KiB per second".to_owned()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_sizes() {
        assert_eq!(rate("5MB"), Ok(ByteSize::mb(5)));
        assert_eq!(rate("512KiB/s"), Ok(ByteSize::kib(512)));
        for bad in ["0", "12", "fast", ""] {
            rate(bad).expect_err(bad);
        }
    }
}
