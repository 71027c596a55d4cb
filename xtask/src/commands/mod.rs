//! One file per subcommand.

pub mod cluster;
pub mod images;
pub mod sqlx;
