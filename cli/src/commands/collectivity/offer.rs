//! The plan and the region of a new space, among those of the cluster.

use melouvert_domain::plan::{Offer, pick};

use crate::{
    errors::{CliError, Kind},
    text::text,
};

/// The plan: the one asked for when it exists, else the one that the population designates.
pub fn plan(
    offers: &[Offer<String>],
    asked: Option<&str>,
    population: u32,
) -> Result<String, CliError> {
    if let Some(asked) = asked {
        return exists(
            "--plan",
            asked,
            offers.iter().map(|offer| offer.name.as_str()),
        );
    }
    pick(offers, population).map(|offer| offer.name.clone()).ok_or_else(|| {
        CliError::new(
            Kind::NotFound,
            text!(
                "aucune offre ne convient à {population} habitants",
                "no plan fits {population} inhabitants"
            ),
        )
        .remedy(text!(
            "choisissez-en une avec --plan, ou créez un objet Plan dont populationFrom est plus bas",
            "choose one with --plan, or create a Plan with a lower populationFrom"
        ))
    })
}

/// The region: the one asked for when it exists, else the only one.
pub fn region(regions: &[String], asked: Option<&str>) -> Result<String, CliError> {
    if let Some(asked) = asked {
        return exists("--region", asked, regions.iter().map(String::as_str));
    }
    match regions {
        [only] => Ok(only.clone()),
        [] => Err(CliError::new(
            Kind::NotFound,
            text!("ce cluster n'a aucune région", "this cluster has no region"),
        )
        .remedy(text!(
            "créez un objet Region (le chart en crée une par défaut)",
            "create a Region (the chart makes one by default)"
        ))),
        several => {
            let list = several.join(", ");
            Err(CliError::usage(text!(
                "ce cluster a plusieurs régions : {list}",
                "this cluster has several regions: {list}"
            ))
            .remedy(text!(
                "choisissez-en une avec --region",
                "choose one with --region"
            )))
        }
    }
}

fn exists<'a>(
    option: &str,
    asked: &str,
    mut known: impl Iterator<Item = &'a str> + Clone,
) -> Result<String, CliError> {
    let list = known.clone().collect::<Vec<_>>().join(", ");
    if known.any(|name| name == asked) {
        return Ok(asked.to_owned());
    }
    Err(CliError::new(
        Kind::NotFound,
        text!(
            "{option} « {asked} » n'existe pas",
            "{option} {asked:?} does not exist"
        ),
    )
    .remedy(text!("choisissez parmi : {list}", "choose among: {list}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Vec<Offer<String>> {
        [("village", 0), ("ville", 10_000)]
            .map(|(name, population_from)| Offer {
                name: name.into(),
                population_from,
            })
            .to_vec()
    }

    #[test]
    fn the_population_designates_the_plan_unless_one_is_asked_for() {
        assert_eq!(plan(&offers(), None, 109_400).unwrap(), "ville");
        assert_eq!(plan(&offers(), None, 18).unwrap(), "village");
        assert_eq!(
            plan(&offers(), Some("village"), 109_400).unwrap(),
            "village"
        );
        let error = plan(&offers(), Some("or"), 1).unwrap_err();
        assert_eq!(error.kind, Kind::NotFound);
        assert!(error.remedy.unwrap().en.contains("village, ville"));
        assert_eq!(plan(&[], None, 1).unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn only_one_region_needs_no_choice() {
        let two = ["bretagne".to_owned(), "normandie".to_owned()];
        assert_eq!(region(&two[1..], None).unwrap(), "normandie");
        assert_eq!(region(&two, Some("bretagne")).unwrap(), "bretagne");
        assert_eq!(region(&two, None).unwrap_err().kind, Kind::Usage);
        assert_eq!(region(&[], None).unwrap_err().kind, Kind::NotFound);
    }
}
