//! How far it is: a bar on standard error where somebody looks at it, and nothing where nobody does.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much is done of how much, in bytes.
pub(super) fn of_bytes(total: u64) -> ProgressBar {
    bar(total, "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
}

/// How many are done of how many.
pub(super) fn of_recordings(total: u64) -> ProgressBar {
    bar(total, "{wide_bar} {pos} of {len} recordings, {eta} left")
}

/// That it goes on, of what nobody knows how much it is.
pub(super) fn of_unknown(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, target()).with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

fn bar(total: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target()).with_style(style)
}

fn target() -> ProgressDrawTarget {
    match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}
