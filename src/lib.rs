//! Hookherd takes webhook settings off people's hands.

pub mod domain;
