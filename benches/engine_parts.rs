//! What each part of a call costs: parsers, the fold of statuses, the call machine with its ledger, the prompt.
//!
//! `cargo bench --bench engine_parts`. The frame path has more detail in `frame_path`; the same parts are counted in
//! instructions, which no machine's speed changes, by `instructions`.

mod parts;

use divan::{AllocProfiler, Bencher};

/// Shows allocations beside the time.
#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = parts::PARTS.iter().map(|(name, _)| *name))]
fn part(bencher: Bencher, name: &str) {
    let make = parts::PARTS.iter().find(|(other, _)| *other == name).map(|(_, make)| make);
    bencher.bench_local(make.expect("it is one of them")());
}
