//! Certificates and mail-signing keys of a region.
//!
//! Owns: the hierarchy (region root → tenant intermediate → short-lived leaves), what each kind of
//! certificate may do, its life, when it is due for renewal, revocation lists, DKIM keys, and signed
//! documents (RFC 5652).
//! Must not know: where certificates are stored, who asks for them, the clock and the source of
//! serial numbers (both are passed in).
//!
//! Every certificate is X.509 v3 over P-256 with SHA-256 (ANSSI, TLS guide v1.2).
//! Private keys come from AWS-LC's own generator, the only one that its key types accept.

mod authority;
mod der;
pub mod dkim;
pub mod document;
mod error;
mod inspect;
mod key;
pub mod life;
mod profile;
mod revocation;

pub use authority::{Authority, IntermediateRequest, Leaf, LeafRequest, Usage};
pub use error::PkiError;
pub use inspect::{CertInfo, due, inspect};
pub use key::PrivateKey;
pub use revocation::{Reason, Revoked};
