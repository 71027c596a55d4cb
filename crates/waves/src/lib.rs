//! When which mailbox of a migration may be copied.
//!
//! Owns: windows of time with their time zones, what one account still needs to reach the stage
//! that is asked for, the order of accounts, the division of the caps, and how accounts, waves and
//! migrations are told to stand.
//! Must not know: Kubernetes, the database, the engine, the clock. Time is passed in, so that every
//! decision is a pure function of what is asked for, what was done, what runs, and now.
//!
//! Rooms: [`window`] (opening hours), [`account`] (what is due), [`schedule`] (who starts, who
//! stops), [`standing`] (where it all stands).

pub mod account;
pub mod schedule;
pub mod standing;
pub mod window;

pub use account::{Done, Ending, Goal, Known, PASSES_MAXIMUM, Stage, Want, identifier};
pub use schedule::{Account, Decision, Limits, Running, Share, Start, Wave, Work, decide};
pub use standing::{AccountPhase, Phase, account_phase, phase, wave_phase};
pub use window::{Window, WindowError};
