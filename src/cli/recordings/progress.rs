//! How far it is: a bar on standard error where somebody looks at it, and nothing where nobody does.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much is done of how much, in bytes.
pub(super) fn of_bytes(total: u64) -> ProgressBar {
    bar(total, "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
}

/// How many are done of how many.
pub(super) fn of_recordings(total: u64) -> ProgressBar {
    bar(total, "{wide_bar} {pos} of {len} recordings, {eta} left")
}

fn bar(total: u64, template: &str) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}
