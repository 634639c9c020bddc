//! The parts of GitHub's payloads that we use, as borrowed types that never believe a type.
//!
//! A field with another type than expected counts as absent; a field that is given twice is an
//! error, because two readers could disagree about which one counts.

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A scalar of whatever type was sent.
#[derive(Debug, Default)]
pub(super) enum Loose<'a> {
    /// A whole number that is not negative.
    Number(u64),
    /// A text.
    Text(Cow<'a, str>),
    /// Absent, null, or of a type that we use nowhere.
    #[default]
    Nothing,
}

impl Loose<'_> {
    pub(super) const fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Nothing => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Nothing => None,
        }
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Loose::Nothing)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Loose::Nothing)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// An object, or nothing when something else was sent.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Object(None))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Object(None))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Object(None))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Object(None))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object(None))
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Object(None))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Object(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// Most elements of a list that are looked at; GitHub names ten branches of a commit at most.
const LIST_MAX: usize = 100;

/// The objects of a list, up to [`LIST_MAX`]; empty when something else was sent.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| List::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < LIST_MAX {
            match seq.next_element::<Object<T>>()? {
                Some(Object(element)) => elements.extend(element),
                None => return Ok(List(elements)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(elements))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident {
        $($field:ident $(= $rename:literal)? : $kind:ty),* $(,)?
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name<'a> {
            $(#[serde(borrow $(, rename = $rename)?)] pub(super) $field: $kind,)*
        }
    )*};
}

wire! {
    /// The top of every payload, with the keys that tell the events apart.
    Body {
        action: Loose<'a>,
        zen: Loose<'a>,
        hook_id: Loose<'a>,
        git_ref = "ref": Loose<'a>,
        pull_request: Object<Empty<'a>>,
        repository: Object<RepositoryPart<'a>>,
        workflow: Object<WorkflowPart<'a>>,
        workflow_run: Object<RunPart<'a>>,
        workflow_job: Object<JobPart<'a>>,
        check_suite: Object<SuitePart<'a>>,
        check_run: Object<CheckPart<'a>>,
        deployment_status: Object<Empty<'a>>,
        sender: Object<ActorPart<'a>>,
        state: Loose<'a>,
        context: Loose<'a>,
        sha: Loose<'a>,
        target_url: Loose<'a>,
        commit: Object<StatusCommitPart<'a>>,
        branches: List<BranchPart<'a>>,
        created_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `repository`.
    RepositoryPart {
        id: Loose<'a>,
        full_name: Loose<'a>,
        default_branch: Loose<'a>,
        html_url: Loose<'a>,
    }
    /// `workflow`.
    WorkflowPart { id: Loose<'a>, name: Loose<'a>, path: Loose<'a> }
    /// `workflow_run`.
    RunPart {
        id: Loose<'a>,
        workflow_id: Loose<'a>,
        name: Loose<'a>,
        path: Loose<'a>,
        display_title: Loose<'a>,
        run_number: Loose<'a>,
        run_attempt: Loose<'a>,
        event: Loose<'a>,
        status: Loose<'a>,
        conclusion: Loose<'a>,
        head_branch: Loose<'a>,
        head_sha: Loose<'a>,
        head_commit: Object<CommitPart<'a>>,
        html_url: Loose<'a>,
        actor: Object<ActorPart<'a>>,
        triggering_actor: Object<ActorPart<'a>>,
        created_at: Loose<'a>,
        run_started_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `workflow_job`.
    JobPart {
        id: Loose<'a>,
        run_id: Loose<'a>,
        run_attempt: Loose<'a>,
        name: Loose<'a>,
        workflow_name: Loose<'a>,
        conclusion: Loose<'a>,
        head_branch: Loose<'a>,
        head_sha: Loose<'a>,
        created_at: Loose<'a>,
        started_at: Loose<'a>,
        completed_at: Loose<'a>,
    }
    /// `check_suite`, and the one in a `check_run`.
    SuitePart {
        id: Loose<'a>,
        app: Object<AppPart<'a>>,
        status: Loose<'a>,
        conclusion: Loose<'a>,
        head_branch: Loose<'a>,
        head_sha: Loose<'a>,
        head_commit: Object<CommitPart<'a>>,
        created_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `check_run`.
    CheckPart {
        id: Loose<'a>,
        name: Loose<'a>,
        app: Object<AppPart<'a>>,
        conclusion: Loose<'a>,
        check_suite: Object<SuitePart<'a>>,
    }
    /// The app that checks belong to.
    AppPart { id: Loose<'a>, slug: Loose<'a>, name: Loose<'a> }
    /// `commit` of a status.
    StatusCommitPart { commit: Object<GitCommitPart<'a>>, author: Object<ActorPart<'a>> }
    /// `commit.commit` of a status.
    GitCommitPart {
        message: Loose<'a>,
        author: Object<PersonPart<'a>>,
        committer: Object<PersonPart<'a>>,
    }
    /// Who made a commit, and when.
    PersonPart { date: Loose<'a> }
    /// One of the branches that a status' commit is in, with the commit that is its head.
    BranchPart { name: Loose<'a>, commit: Object<HeadPart<'a>> }
    /// The head of a branch.
    HeadPart { sha: Loose<'a> }
    /// `workflow_run.head_commit`.
    CommitPart { message: Loose<'a> }
    /// `workflow_run.actor` and its like.
    ActorPart { login: Loose<'a> }
    /// An object of which only the presence counts.
    Empty { number: Loose<'a> }
    /// What a delivery without a hook key says about where it belongs.
    ClaimBody { repository: Object<RepositoryPart<'a>> }
}
