//! The DNS records that a collectivity publishes.

use melouvert_api::collectivity::DnsRecord;

use crate::ValidatedTenant;

/// The selector of the Ed25519 mail-signing key.
pub const DKIM_ED25519_SELECTOR: &str = "m1";
/// The selector of the RSA mail-signing key.
pub const DKIM_RSA_SELECTOR: &str = "m2";
/// The longest character-string of a TXT record, in bytes (RFC 1035, 3.3.14).
const STRING_MAXIMUM: usize = 255;

/// The public part of one mail-signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimPublic {
    /// [`DKIM_ED25519_SELECTOR`] or [`DKIM_RSA_SELECTOR`].
    pub selector: String,
    /// The TXT record as one string, e.g. `v=DKIM1; k=ed25519; p=…`.
    pub txt: String,
}

/// MX, SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489) and SRV (RFC 6186, RFC 8314) of each
/// domain, in zone-file form with absolute names.
pub fn dns_records(tenant: &ValidatedTenant, dkim: &[DkimPublic]) -> Vec<DnsRecord> {
    let base = tenant.region.base_domain.as_str();
    tenant
        .domains()
        .flat_map(|domain| of_domain(domain.as_str(), base, dkim))
        .collect()
}

fn of_domain(domain: &str, base: &str, dkim: &[DkimPublic]) -> Vec<DnsRecord> {
    let record = |name: String, kind: &str, value: String| DnsRecord {
        name,
        kind: kind.into(),
        value,
    };
    let mut records = vec![
        record(format!("{domain}."), "MX", format!("10 mx.{base}.")),
        record(
            format!("{domain}."),
            "TXT",
            quoted(&format!("v=spf1 include:_spf.{base} -all")),
        ),
    ];
    records.extend(dkim.iter().map(|key| {
        record(
            format!("{}._domainkey.{domain}.", key.selector),
            "TXT",
            quoted(&key.txt),
        )
    }));
    let dmarc = format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}");
    records.push(record(format!("_dmarc.{domain}."), "TXT", quoted(&dmarc)));
    let services = [("_imaps", 993, "imap"), ("_submissions", 465, "smtp")];
    records.extend(services.map(|(service, port, host)| {
        record(
            format!("{service}._tcp.{domain}."),
            "SRV",
            format!("0 1 {port} {host}.{domain}."),
        )
    }));
    records
}

/// A TXT value as quoted strings of at most 255 bytes.
fn quoted(text: &str) -> String {
    let escaped: Vec<char> = text.chars().collect();
    escaped
        .chunks(STRING_MAXIMUM)
        .map(|chunk| {
            let part: String = chunk.iter().collect();
            format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\""))
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_is_cut_into_strings() {
        let value = quoted(&"x".repeat(400));
        let parts: Vec<usize> = value.split(' ').map(str::len).collect();
        assert_eq!(parts, [257, 147]);
    }
}
