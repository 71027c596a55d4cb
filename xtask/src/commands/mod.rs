//! One file per subcommand.

pub mod attack;
pub mod bench;
pub mod cluster;
pub mod crds;
pub mod directory;
pub mod fuzz;
pub mod images;
pub mod rights;
pub mod sqlx;
pub mod test;
pub mod try_out;
