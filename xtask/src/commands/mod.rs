//! One file per subcommand.

pub mod cluster;
pub mod directory;
pub mod images;
pub mod sqlx;
