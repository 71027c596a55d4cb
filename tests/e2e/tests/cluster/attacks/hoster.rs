//! Who runs the platform, and who runs collectivities, of the hoster.
