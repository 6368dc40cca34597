//! Metrics with typed labels, and the one place where metrics get their names.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::label::{Label, Method, StatusCode, Word};
use crate::engine::call::{AgentCounter, AgentLoss};

/// In front of every name.
const PREFIX: &str = "trunkline_";

/// A counter for each value of a closed list.
pub(super) struct CounterBy<L>(IntCounterVec, PhantomData<L>);

impl<L: Label> CounterBy<L> {
    pub(super) fn of(&self, label: L) -> IntCounter {
        self.0.with_label_values(&[label.word()])
    }
}

/// A counter for each of the words that stand in the code for one label.
pub(super) struct ByWord(IntCounterVec);

impl ByWord {
    pub(super) fn of(&self, word: &'static str) -> IntCounter {
        self.0.with_label_values(&[word])
    }
}

/// The same of histograms.
pub(super) struct HistogramByWord(HistogramVec);

impl HistogramByWord {
    pub(super) fn of(&self, word: &'static str) -> Histogram {
        self.0.with_label_values(&[word])
    }
}

/// A counter for each pair of labels whose values are known only when they come.
pub(super) struct Family<K>(IntCounterVec, PhantomData<K>);

/// The labels of a [`Family`], and what a value of them is.
pub(super) trait Labels {
    const NAMES: &'static [&'static str];

    fn with<R>(&self, use_them: impl FnOnce(&[&str]) -> R) -> R;
}

impl<K: Labels> Family<K> {
    pub(super) fn of(&self, labels: &K) -> IntCounter {
        labels.with(|values| self.0.with_label_values(values))
    }
}

impl Labels for (Word, StatusCode) {
    const NAMES: &'static [&'static str] = &["endpoint", "status"];

    fn with<R>(&self, use_them: impl FnOnce(&[&str]) -> R) -> R {
        use_them(&[self.0.0, &self.1.0.to_string()])
    }
}

impl Labels for (Method, StatusCode) {
    const NAMES: &'static [&'static str] = &["method", "status"];

    fn with<R>(&self, use_them: impl FnOnce(&[&str]) -> R) -> R {
        use_them(&[self.0.0, &self.1.0.to_string()])
    }
}

impl Labels for (String, AgentLoss) {
    const NAMES: &'static [&'static str] = &["agent", AgentLoss::NAME];

    fn with<R>(&self, use_them: impl FnOnce(&[&str]) -> R) -> R {
        use_them(&[&self.0, self.1.word()])
    }
}

impl Labels for (String, AgentCounter) {
    const NAMES: &'static [&'static str] = &["agent", AgentCounter::NAME];

    fn with<R>(&self, use_them: impl FnOnce(&[&str]) -> R) -> R {
        use_them(&[&self.0, self.1.word()])
    }
}

/// Makes metrics that are named and registered. Names stand in the code, so a fault is a bug that the first test finds.
pub(super) struct Register<'a>(pub(super) &'a Registry);

impl Register<'_> {
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::with_opts(self.opts(name, help)))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::with_opts(self.opts(name, help)))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.add(Histogram::with_opts(self.buckets(name, help, buckets)))
    }

    pub(super) fn counter_by<L: Label>(&self, name: &str, help: &str) -> CounterBy<L> {
        let counters = CounterBy(self.counters(name, help, &[L::NAME]), PhantomData);
        for label in L::ALL {
            counters.of(*label);
        }
        counters
    }

    pub(super) fn family<K: Labels>(&self, name: &str, help: &str) -> Family<K> {
        Family(self.counters(name, help, K::NAMES), PhantomData)
    }

    pub(super) fn by_word(&self, name: &str, label: &str, help: &str) -> ByWord {
        ByWord(self.counters(name, help, &[label]))
    }

    pub(super) fn histogram_by_word(&self, name: &str, label: &str, help: &str, buckets: &[f64]) -> HistogramByWord {
        HistogramByWord(self.histograms(name, help, &[label], buckets))
    }

    /// A gauge that is always 1 and says something by its label.
    pub(super) fn info(&self, name: &str, help: &str, label: &str, value: &str) {
        self.gauges(name, help, &[label]).with_label_values(&[value]).set(1);
    }

    /// What the system says of this process, under the names that every exporter has for it: `process_open_fds` and so on.
    pub(super) fn process(&self) {
        #[cfg(target_os = "linux")]
        {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            self.0.register(Box::new(process)).expect("each registry has one process");
        }
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(self.opts(name, help), labels))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(self.opts(name, help), labels))
    }

    pub(super) fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.add(HistogramVec::new(self.buckets(name, help, buckets), labels))
    }

    fn opts(&self, name: &str, help: &str) -> Opts {
        Opts::new(format!("{PREFIX}{name}"), help)
    }

    fn buckets(&self, name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
        HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(buckets.to_vec())
    }

    fn add<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("names, labels and buckets stand in the code, and a test makes every metric");
        self.0.register(Box::new(metric.clone())).expect("each name is used once, and a test makes every metric");
        metric
    }
}
