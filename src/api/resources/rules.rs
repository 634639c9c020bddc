//! The caller's rules: who is notified of what, how soon, how often, and how severe it counts.

mod document;
mod test;

pub(in crate::api) use test::test;
pub(in crate::api) use {document::__path_set, document::__path_show, test::__path_test};
pub(in crate::api) use {document::set, document::show};
