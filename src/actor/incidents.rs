//! From decoded events to runs, tracks and incidents.

mod ended;
mod fold;
mod lanes;
mod mark;
mod records;
mod twin;

pub(super) use fold::Fold;
