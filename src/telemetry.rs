//! Logs and metrics.

mod foreign;
mod limit;
pub mod metric;
mod recorder;
mod throttle;

pub use limit::Limit;
pub use recorder::Recorder;
#[cfg(test)]
pub(crate) use recorder::local;
pub use throttle::{log_left_out, may_log};

use foreign::Foreign;
use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// Counts that a limit was reached.
pub fn limit_reached(limit: Limit) {
    metrics::counter!(metric::LIMITS, "limit" => limit.as_str()).increment(1);
}

/// Sets logging up for this process: text or one JSON object a line, on standard error. A second
/// call does nothing. `level` is a level, or a list such as `hookherd=debug,info`.
pub fn init_logs(json: bool, level: &str) -> Result<(), String> {
    // What the HTTP server says of its own start and threads is for who looks deeper.
    let level = if level.eq_ignore_ascii_case("info") {
        "info,actix_server=warn"
    } else {
        level
    };
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log.level: {error}"))?;
    let lines = fmt::layer()
        // Colours are for people; a log file gets plain text.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.boxed()
    };
    // Already set up: by a test, or by the demo.
    let _ = registry().with(lines).with(Foreign).with(filter).try_init();
    Ok(())
}
