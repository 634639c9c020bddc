//! Log lines of libraries. Strangers can cause some of those: what cannot be read, what breaks off.
//! They come so many a minute from each module, and then are counted.

use super::throttle::may_log_quietly;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Leaves lines out that are not ours. Lines at `debug` and below are all
/// kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign;

impl<S: Subscriber> Layer<S> for Foreign {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let line = event.metadata();
        let is_ours = line.target().starts_with(env!("CARGO_PKG_NAME"));
        is_ours || *line.level() > Level::INFO || may_log_quietly(line.target())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let line = event.metadata();
            let line_of = format!("{} {}", line.level(), line.target());
            self.0.lock().push(line_of);
        }
    }

    #[test]
    fn a_librarys_lines_come_so_many_a_minute_from_each_module_and_ours_all_do() {
        let lines = Lines::default();
        let all = tracing_subscriber::registry()
            .with(lines.clone())
            .with(Foreign);
        tracing::subscriber::with_default(all, || {
            for n in 0..500 {
                tracing::error!(target: "actix_http::h1::dispatcher", n, "stream error");
                tracing::warn!(target: "actix_server::accept", n, "cannot accept");
                tracing::debug!(target: "actix_http::h1::decoder", n, "illegal header");
                tracing::error!(n, "ours");
            }
        });
        let lines = lines.0.lock();
        let count = |line_of: &str| lines.iter().filter(|line| *line == line_of).count();
        assert_eq!(count("ERROR actix_http::h1::dispatcher"), 20);
        assert_eq!(count("WARN actix_server::accept"), 20);
        assert_eq!(count("DEBUG actix_http::h1::decoder"), 500);
        assert_eq!(count("ERROR hookherd::telemetry::foreign::tests"), 500);
    }
}
