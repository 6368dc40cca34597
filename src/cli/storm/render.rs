//! The report for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::report::{BUSIEST, Holding, LATE, Report, Run, Stage};
use super::spread::Percentiles;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // A String takes every text.
    write_report(report, &mut text).ok();
    text
}

fn write_report(report: &Report, text: &mut String) -> std::fmt::Result {
    let Report { version, build, commit, machine, .. } = report;
    writeln!(text, "\ntrunkline {version} ({build}, {commit}) on {machine}")?;
    writeln!(text, "{}", report.command)?;
    match report.pinned {
        Some((server, storm)) => writeln!(text, "server on core {server}, storm on core {storm}")?,
        None => writeln!(text, "server and storm share all cores")?,
    }
    let vendor = &report.vendor;
    writeln!(
        text,
        "vendor: {}, thinks {} ms, answers {} ms in deltas of {} ms at {} times real time, jitter {} ms",
        report.audio.as_str(),
        vendor.think_ms,
        vendor.answer_ms,
        vendor.chunk_ms,
        vendor.speed,
        vendor.jitter_ms
    )?;
    for run in &report.runs {
        write_run(run, text)?;
    }
    let verdict = match (report.is_valid, report.is_kept) {
        (false, _) => "INVALID: the storm had too little time of its own to measure anything else",
        (true, true) => "every limit was kept",
        (true, false) => "NOT every limit was kept",
    };
    writeln!(text, "\n{verdict}")
}

fn write_run(run: &Run, text: &mut String) -> std::fmt::Result {
    for stage in &run.stages {
        let starts = match stage.starts_per_second {
            0.0 => String::new(),
            starts => format!(" and {starts} short ones that begin each second"),
        };
        writeln!(text, "\n== {}: {} calls{starts}, held for {:.0} s", run.subject, stage.calls, stage.held_s)?;
        write_stage(stage, text)?;
    }
    writeln!(text)?;
    if let Some(kib) = run.kib_per_call {
        writeln!(text, "{:<28}{kib:>10.1} KiB for each call", run.subject)?;
    }
    if let Some(kib) = run.leak_kib_per_call {
        writeln!(text, "{:<28}{kib:>10.3} KiB left behind by each call that is over", run.subject)?;
    }
    if let Some((before, after)) = run.before_and_after {
        for (when, Holding { process, calls, actors, tasks, messages }) in [("before", before), ("after", after)] {
            writeln!(
                text,
                "{:<20}{when:<8}{} KiB, {} files, {} threads, {calls} calls, {actors} actors, {tasks} tasks, {messages} messages",
                run.subject, process.rss_kib, process.fds, process.threads
            )?;
        }
    }
    let mut unmeasured = BTreeSet::new();
    for promise in &run.promises {
        let Some(measured) = promise.measured else {
            unmeasured.insert(promise.name);
            continue;
        };
        let verdict = if promise.is_kept { "kept" } else { "BROKEN" };
        writeln!(
            text,
            "{verdict:<8}{:<24}{measured:>10} {:<6} limit {} at {} calls",
            promise.name, promise.unit, promise.limit, promise.calls
        )?;
    }
    if !unmeasured.is_empty() {
        let names: Vec<_> = unmeasured.into_iter().collect();
        writeln!(text, "not measured, in some stage at least: {}", names.join(", "))?;
    }
    Ok(())
}

fn write_stage(stage: &Stage, text: &mut String) -> std::fmt::Result {
    writeln!(text, "{:<31}{:>8}{:>9}{:>9}{:>9}{:>9}", "ms", "count", "p50", "p95", "p99", "max")?;
    let rows: [(&str, Option<Percentiles>); 11] = [
        ("webhook", stage.webhook),
        ("greeting", stage.greeting),
        ("  added to the vendor's time", stage.greeting_added),
        ("response", stage.response),
        ("  added to the vendor's time", stage.response_added),
        ("  to decide that it is due", stage.decision),
        ("barge-in", stage.barge_in),
        ("  added to the vendor's time", stage.barge_in_added),
        ("gap between frames", stage.gap),
        ("lateness of the server's ticks", stage.tick_lateness),
        ("the storm's own lateness", stage.storm_lateness),
    ];
    for (name, spread) in rows {
        let Some(Percentiles { count, p50, p95, p99, max }) = spread else { continue };
        writeln!(text, "{name:<31}{count:>8}{p50:>9.2}{p95:>9.2}{p99:>9.2}{max:>9.2}")?;
    }
    writeln!(
        text,
        "gaps above 25 ms {:.3} %, above 40 ms {:.3} %; the agent was heard in {:.0} % of the time",
        stage.gap_above_25_ms * 100.0,
        stage.gap_above_40_ms * 100.0,
        stage.agent_share * 100.0
    )?;
    writeln!(
        text,
        "underflows {}, lost {}, doubled {}, stale {}, foreign {}, unanswered {}, not interrupted {}",
        stage.underflows,
        stage.lost,
        stage.doubled,
        stage.stale,
        stage.foreign,
        stage.unanswered,
        stage.not_interrupted
    )?;
    writeln!(
        text,
        "calls started {}, ended well {}, refused {}; unread {}, vendor's faults {}",
        stage.started, stage.completed, stage.refused, stage.unread, stage.vendor_faults
    )?;
    for (error, count) in &stage.errors {
        writeln!(text, "error    {count} × {error}")?;
    }
    if let Some(engine) = stage.engine {
        writeln!(
            text,
            "server   {:.3} CPU-ms for each call-second, {:.1} % of a core, {} KiB, {} files, {} threads",
            engine.cpu_ms_per_call_second,
            engine.cpu * 100.0,
            engine.end.rss_kib,
            engine.end.fds,
            engine.end.threads
        )?;
    }
    if !stage.threads.is_empty() {
        let mut threads: Vec<_> = stage.threads.iter().filter(|(_, share)| **share > 0.0).collect();
        threads.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let threads: Vec<_> = threads.iter().map(|(name, share)| format!("{name} {share:.2} %")).collect();
        writeln!(text, "threads  {}", threads.join(", "))?;
    }
    let busy = if stage.storm_cpu > BUSIEST { ": TOO BUSY" } else { "" };
    writeln!(text, "storm    {:.1} % of a core{busy}", stage.storm_cpu * 100.0)?;
    match stage.storm_lateness {
        Some(lateness) if lateness.p99 > LATE => {
            writeln!(
                text,
                "storm    was itself late by {} ms (p99): the times above are no better than that",
                lateness.p99
            )
        }
        _ => Ok(()),
    }
}
