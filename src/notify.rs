//! Sinks: where people are notified.
//!
//! Each kind of sink has a file, which knows its limits, its escaping, and what its answers mean.
//! What users enter as an address is checked before each call.

mod deliver;
pub mod signature;

pub use deliver::{Deliver, Message, Prepared, Receipt, Target, Unfit, Wish};
