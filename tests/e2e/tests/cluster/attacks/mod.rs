//! What Melouvert promises to withstand, tried: one module per attacker, one test per attack.
//!
//! Each test carries two lines for the table in docs/ that a DSI may show to an auditor, in French
//! because that table is; `cargo xtask attack` refuses a test without them:
//!
//! ```text
//! /// Attaque : what is tried, by whom, with what in hand.
//! /// Témoin : what succeeds beside it, so that the refusal is not an accident.
//! ```
//!
//! and a third one if it neither stops nor changes anything, so that it may be run against an
//! installation that is not marked for tests. Such a test speaks through [`bystander`] alone.
//!
//! ```text
//! /// Sans effet : why.
//! ```

mod agent;
mod bystander;
mod database_role;
mod dsi;
mod helpdesk;
mod hoster;
mod mail_pod;
mod operator_token;
mod platform;
mod stranger;
