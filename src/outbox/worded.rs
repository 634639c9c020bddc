//! The words of messages, where the templates of their sink make them.

use crate::domain::sink::Sink;
use crate::notify::Words;
use crate::notify::template::{self, About};
use crate::telemetry::{may_log, metric};
use metrics::counter;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The words of a message to a sink, and why a template failed, if one did: then the usual words
/// are sent, and it is counted. A template whose work panics counts as failed, too.
pub(super) fn worded(sink: &Sink, about: &About<'_>) -> (Words, Option<String>) {
    let make = AssertUnwindSafe(|| template::words(&sink.templates, about));
    let (words, failed) = match catch_unwind(make) {
        Ok((words, failed)) => {
            let why = failed.map(|(part, error)| format!("{}: {error}", part.as_str()));
            (words, why)
        }
        Err(_) => (Words::default(), Some("internal error".to_owned())),
    };
    if let Some(why) = &failed {
        counter!(metric::TEMPLATE_FAILURES, "sink" => sink.kind.as_str()).increment(1);
        if may_log("templates") {
            tracing::warn!(sink.id = %sink.id, why, "template_failed");
        }
    }
    (words, failed)
}
