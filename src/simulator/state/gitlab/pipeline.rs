//! Pipelines that were played, and their jobs.

use crate::simulator::payload::gitlab::{JobSpec, PipelineSpec};

/// A job that was tried.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) id: u64,
    pub(crate) spec: JobSpec,
    pub(crate) retries: u32,
    pub(crate) status: String,
    pub(crate) created_at_s: u64,
    pub(crate) finished_at_s: Option<u64>,
}

/// A pipeline that was played.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) spec: PipelineSpec,
    /// The number of its commit: of a child that of its parent.
    pub(crate) commit: u64,
    pub(crate) builds: Vec<Build>,
    pub(crate) status: String,
    pub(crate) created_at_s: u64,
    /// When something happened last.
    pub(crate) at_s: u64,
}
