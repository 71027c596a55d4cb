//! The legacy server of a migration: its name, and the addresses that its Jobs are let out to.

use std::net::IpAddr;

use melouvert_api::{Migration, Reason, RegionSpec};
use melouvert_domain::source_range::{Cidr, SourceRangeError, SourceRules};
use melouvert_tenant_template::SourceRange;

use super::{Refusal, refusal};

/// What the platform's role says of migrations' sources in a region.
pub fn rules(region: &RegionSpec) -> Result<SourceRules, Refusal> {
    let read = |name: &str, texts: &[String]| {
        let all: Result<Vec<Cidr>, SourceRangeError> =
            texts.iter().map(|text| Cidr::covering(text)).collect();
        all.map_err(|error| {
            let message = format!("region: {name}: {error}; the hoster must correct it");
            refusal("metadata.namespace", Reason::TenantNotReady, message)
        })
    };
    let mut own = read("spec.ownCidrs", &region.own_cidrs)?;
    own.extend(read("spec.dnsCidrs", &region.dns_cidrs)?);
    own.extend(read("spec.database.cidr", region.database.cidr.as_slice())?);
    Ok(SourceRules {
        open: read("spec.sourceCidrs", &region.source_cidrs)?,
        own,
    })
}

/// The host, and the ranges with what is cut out of them; every fault is told.
pub fn source(
    migration: &Migration,
    rules: &SourceRules,
    refusals: &mut Vec<Refusal>,
) -> Vec<SourceRange> {
    let source = &migration.spec.source;
    refusals.extend(host(&source.host));
    let mut ranges = Vec::new();
    for (place, text) in source.cidrs.iter().enumerate() {
        match rules.check(text) {
            Ok(range) => ranges.push(SourceRange {
                range,
                except: rules.except(&range),
            }),
            Err(error) => {
                let field = format!("spec.source.cidrs[{place}]");
                refusals.push(refusal(field, Reason::InvalidSpec, error.to_string()));
            }
        }
    }
    // A name may resolve anywhere at any time: the NetworkPolicy decides. An address is known now.
    let literal = source.host.parse::<IpAddr>().ok();
    let outside = literal.filter(|address| !ranges.iter().any(|one| one.range.holds(*address)));
    if outside.is_some() && ranges.len() == source.cidrs.len() {
        let message = format!(
            "{:?} is in none of spec.source.cidrs; add its address there",
            source.host
        );
        refusals.push(refusal("spec.source.host", Reason::InvalidSpec, message));
    }
    ranges
}

fn host(host: &str) -> Option<Refusal> {
    let good = !host.starts_with('-')
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    (!good).then(|| {
        refusal(
            "spec.source.host",
            Reason::InvalidSpec,
            format!("{host:?} is no host name; e.g. imap.mairie.example"),
        )
    })
}
