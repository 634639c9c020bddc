//! What is to be played.

/// What every project is on, unless said otherwise.
pub(crate) const DEFAULT_BRANCH: &str = "main";

/// A job of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// How it ends.
    pub status: String,
    /// Why, when it ends `failed`.
    pub failure_reason: Option<String>,
    /// Whether the pipeline may pass without it.
    pub may_fail: bool,
    /// Its log.
    pub log: String,
}

impl JobSpec {
    /// A job of the stage `test`.
    pub fn new(name: &str, status: &str) -> Self {
        Self {
            name: name.into(),
            stage: "test".into(),
            status: status.into(),
            failure_reason: (status == "failed").then(|| "script_failure".into()),
            may_fail: false,
            log: String::new(),
        }
    }

    /// The same with a log.
    #[must_use]
    pub fn with_log(mut self, log: &str) -> Self {
        self.log = log.into();
        self
    }
}

/// The merge request that a pipeline is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRequestSpec {
    /// Its number in the project.
    pub iid: u64,
    /// The branch that is to be merged.
    pub source_branch: String,
    /// The branch that it is to be merged into.
    pub target_branch: String,
}

/// The pipeline that started a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentSpec {
    /// The path of its project.
    pub project: String,
    /// Its id.
    pub pipeline_id: u64,
    /// The id of the job that did it.
    pub job_id: u64,
}

/// A pipeline to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSpec {
    /// The provider's id of it.
    pub id: u64,
    /// Its number in the project.
    pub iid: u64,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its branch or tag.
    pub ref_name: String,
    /// Whether that is a tag.
    pub is_tag: bool,
    /// Why it runs: `push`, `web`, `schedule`, `merge_request_event`, `parent_pipeline`, ...
    pub source: String,
    /// What it goes through before it ends.
    pub steps: Vec<String>,
    /// How it ends.
    pub status: String,
    /// Its jobs.
    pub jobs: Vec<JobSpec>,
    /// The merge request that it is for.
    pub merge_request: Option<MergeRequestSpec>,
    /// The pipeline that started it.
    pub parent: Option<ParentSpec>,
    /// The variables that it was started with.
    pub variables: Vec<(String, String)>,
    /// The number of its commit; without one that of its parent, or its own.
    pub commit: Option<u64>,
}

impl PipelineSpec {
    /// A pipeline for a push to `main`, with a job `unit` that ends as it does.
    pub fn new(id: u64, status: &str) -> Self {
        Self {
            id,
            iid: id,
            name: None,
            ref_name: DEFAULT_BRANCH.into(),
            is_tag: false,
            source: "push".into(),
            steps: vec!["pending".into(), "running".into()],
            status: status.into(),
            jobs: vec![JobSpec::new("unit", status)],
            merge_request: None,
            parent: None,
            variables: Vec::new(),
            commit: None,
        }
    }

    /// The same for a merge request.
    #[must_use]
    pub fn for_merge_request(mut self, iid: u64, source_branch: &str) -> Self {
        self.ref_name = source_branch.into();
        self.source = "merge_request_event".into();
        self.merge_request = Some(MergeRequestSpec {
            iid,
            source_branch: source_branch.into(),
            target_branch: DEFAULT_BRANCH.into(),
        });
        self
    }

    /// The same, started by a job of another pipeline, of the same project or of another.
    #[must_use]
    pub fn started_by(mut self, project: &str, pipeline_id: u64, job_id: u64) -> Self {
        self.parent = Some(ParentSpec {
            project: project.into(),
            pipeline_id,
            job_id,
        });
        self.source = "parent_pipeline".into();
        self
    }
}
