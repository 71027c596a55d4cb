//! The choice of a plan by population.

/// An offer as the choice sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<Name> {
    /// The plan's name.
    pub name: Name,
    /// The smallest population (inhabitants) that it is meant for.
    pub population_from: u32,
}

/// The offer with the greatest `population_from` that does not exceed `population`.
///
/// `None` when every offer starts above it.
pub fn pick<Name>(offers: &[Offer<Name>], population: u32) -> Option<&Offer<Name>> {
    offers
        .iter()
        .filter(|offer| offer.population_from <= population)
        .max_by_key(|offer| offer.population_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_offer_below_wins() {
        let offers =
            [("ville", 10_000), ("village", 0), ("bourg", 1_000)].map(|(name, population_from)| {
                Offer {
                    name,
                    population_from,
                }
            });
        for (population, expected) in [
            (0, "village"),
            (999, "village"),
            (1_000, "bourg"),
            (108_200, "ville"),
        ] {
            assert_eq!(
                pick(&offers, population).unwrap().name,
                expected,
                "{population}"
            );
        }
        assert_eq!(pick(&offers[..1], 18), None);
    }
}
