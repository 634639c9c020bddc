//! The recorder of this process: Prometheus' text form of everything that is counted.

use super::Limit;
use super::metric::{BUILD, EXPIRY, Kind, LIMITS, METRICS};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Upper bounds of the buckets for times, in seconds: from a fast answer to a provider's limit.
const TIME_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the buckets for group sizes.
const SIZE_BUCKETS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// The metrics of this process.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
    process: metrics_process::Collector,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

static INSTALLED: OnceLock<Result<Recorder, String>> = OnceLock::new();

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let suffix = |text: &str| Matcher::Suffix(text.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(suffix("_seconds"), &TIME_BUCKETS)?
        .set_buckets_for_metric(suffix("_batches"), &SIZE_BUCKETS)
}

fn build() -> Result<Recorder, BuildError> {
    let handle = builder()?.install_recorder()?;
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
        // There from the start: of a counter that appears with its first count, Prometheus sees
        // no increase.
        match metric.kind {
            Kind::Counter if metric.labels.is_empty() => counter!(metric.name).absolute(0),
            Kind::Gauge if metric.labels.is_empty() => gauge!(metric.name).set(0.0),
            Kind::Counter | Kind::Gauge | Kind::Histogram => {}
        }
    }
    for limit in Limit::ALL {
        counter!(LIMITS, "limit" => limit.as_str()).absolute(0);
    }
    gauge!(EXPIRY).set(f64::INFINITY);
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let process = metrics_process::Collector::default();
    process.describe();
    Ok(Recorder { handle, process })
}

impl Recorder {
    /// Installs it for this process. Later calls give the same one.
    pub fn install() -> Result<Self, String> {
        let build = || build().map_err(|error| error.to_string());
        INSTALLED.get_or_init(build).clone()
    }

    /// All metrics in Prometheus' text form.
    pub fn render(&self) -> String {
        self.process.collect();
        self.condense();
        self.handle.render()
    }

    /// Condenses the samples of histograms. Nothing else does: without it, all of them stay in
    /// memory until the metrics are read.
    pub fn condense(&self) {
        self.handle.run_upkeep();
    }
}

/// A recorder of its own, for a test that looks at what one thread counts.
#[cfg(test)]
pub(crate) fn local() -> metrics_exporter_prometheus::PrometheusRecorder {
    builder().unwrap().build_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metric;
    use metrics::histogram;

    #[test]
    fn what_is_recorded_is_rendered_with_help_and_type() {
        let recorder = Recorder::install().unwrap();
        for metric in METRICS {
            match metric.kind {
                Kind::Counter => counter!(metric.name).increment(1),
                Kind::Gauge => gauge!(metric.name).increment(1.0),
                Kind::Histogram => histogram!(metric.name).record(0.003),
            }
        }
        gauge!(metric::QUOTA, "host" => "x").set(f64::INFINITY);
        let text = recorder.render();
        for metric in METRICS {
            let help = format!("# HELP {} {}", metric.name, metric.help);
            assert!(text.contains(&help), "{help}: {text}");
            assert!(text.contains(&format!("# TYPE {} ", metric.name)));
        }
        assert!(text.contains("hookherd_delivery_answer_seconds_bucket"));
        assert!(text.contains("host=\"x\"} inf"), "{text}");
    }

    #[test]
    fn what_one_thread_counts_can_be_looked_at_alone() {
        let recorder = local();
        metrics::with_local_recorder(&recorder, || counter!(metric::PANICS).increment(3));
        let text = recorder.handle().render();
        assert!(text.contains("hookherd_actor_panics_total 3"), "{text}");
    }
}
