//! The scaling law of a storm of several stages, as a table for a document and as a picture.

use std::fmt::{self, Write as _};

use super::report::{BUSIEST, Report, Run, Stage};

/// The table: a row for each number of calls, the engine's columns first, the floor's beside them.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // A String takes every text.
    write_table(report, &mut text).ok();
    text
}

fn write_table(report: &Report, text: &mut String) -> fmt::Result {
    let place = match report.pinned {
        Some((server, storm)) => format!("server on core {server}, storm on core {storm}"),
        None => "server and storm share all cores".to_owned(),
    };
    writeln!(text, "`{}`", report.command)?;
    writeln!(text, "({} build, {}, on {}; {place})\n", report.build, report.commit, report.machine)?;
    writeln!(
        text,
        "| calls | of | CPU-ms for each call-second | of a core | MiB | gap p99, ms | underflows | the storm's own core |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|")?;
    let mut rows: Vec<(&Run, &Stage)> = Vec::new();
    report.runs.iter().for_each(|run| rows.extend(run.stages.iter().map(|stage| (run, stage))));
    rows.sort_by_key(|(_, stage)| stage.calls); // of the same number, in the order in which they ran
    for (run, stage) in rows {
        let engine = stage.engine.unwrap_or_default();
        let gap = stage.gap.map_or("-".to_owned(), |gap| format!("{:.1}", gap.p99));
        let busy = if stage.is_valid() { "" } else { ", INVALID" };
        writeln!(
            text,
            "| {} | {} | {:.2} | {:.0} % | {} | {gap} | {} | {:.0} %{busy} |",
            stage.calls,
            run.subject,
            engine.cpu_ms_per_call_second,
            engine.cpu * 100.0,
            engine.end.rss_kib / 1_024,
            stage.underflows,
            stage.storm_cpu * 100.0
        )?;
    }
    writeln!(text, "\nA row is invalid above {:.0} % of the storm's own core.", BUSIEST * 100.0)
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 350.0;
/// A colour for each run, that a colour-blind reader can tell apart (Okabe and Ito).
const COLOURS: [&str; 2] = ["#0072b2", "#d55e00"];

/// The picture, as SVG: cost of a call-second over the number of calls, which doubles from step to step.
pub fn picture(report: &Report) -> String {
    let mut text = String::new();
    write_picture(report, &mut text).ok();
    text
}

fn write_picture(report: &Report, svg: &mut String) -> fmt::Result {
    let stages = || report.runs.iter().flat_map(|run| &run.stages).filter(|stage| stage.calls > 0);
    let cost = |stage: &Stage| stage.engine.map_or(0.0, |engine| engine.cpu_ms_per_call_second);
    let most = stages().map(cost).fold(0.1, f64::max).ceil();
    let log = |calls: usize| (calls.max(1) as f64).log2();
    let (least, last) = stages()
        .fold((f64::MAX, 0.0_f64), |(least, last), stage| (least.min(log(stage.calls)), last.max(log(stage.calls))));
    let x = |stage: &Stage| LEFT + (RIGHT - LEFT) * (log(stage.calls) - least) / (last - least).max(1e-9);
    let y = |cost: f64| BOTTOM - (BOTTOM - TOP) * cost / most;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(svg, r#"<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>"#)?;
    writeln!(svg, r#"<text x="{LEFT}" y="20" font-size="14">CPU-ms for each call-second over calls at once</text>"#)?;
    for step in 0..=4 {
        let cost = most * f64::from(step) / 4.0;
        let at = y(cost);
        writeln!(
            svg,
            r##"<path d="M{LEFT} {at:.1}H{RIGHT}" stroke="#ddd"/><text x="10" y="{:.1}">{cost:.2}</text>"##,
            at + 4.0
        )?;
    }
    let mut labelled = Vec::new();
    for stage in stages() {
        if !labelled.contains(&stage.calls) {
            labelled.push(stage.calls);
            writeln!(
                svg,
                r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
                x(stage),
                BOTTOM + 20.0,
                stage.calls
            )?;
        }
    }
    for ((run, colour), row) in report.runs.iter().zip(COLOURS).zip(1..) {
        let points: Vec<String> =
            run.stages.iter().map(|stage| format!("{:.1},{:.1}", x(stage), y(cost(stage)))).collect();
        writeln!(svg, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, points.join(" "))?;
        for stage in &run.stages {
            // Hollow where the storm had too little time of its own.
            let fill = if stage.is_valid() { colour } else { "white" };
            let (x, y) = (x(stage), y(cost(stage)));
            writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{fill}" stroke="{colour}"/>"#)?;
        }
        let at = RIGHT - 150.0 * f64::from(row);
        writeln!(svg, r#"<text x="{at}" y="{}" fill="{colour}">{}</text>"#, HEIGHT - 10.0, run.subject)?;
    }
    writeln!(svg, "</svg>")
}

#[cfg(test)]
mod tests {
    use super::super::report::EngineCost;
    use super::super::stamp::Audio;
    use super::super::vendor::VendorShape;
    use super::*;

    fn report() -> Report {
        let stage = |calls, cpu_ms_per_call_second, storm_cpu| {
            let engine = Some(EngineCost { cpu_ms_per_call_second, ..EngineCost::default() });
            Stage { calls, engine, storm_cpu, ..Stage::default() }
        };
        let run = |subject, stages| Run { subject, stages, ..Run::default() };
        let engine = run("engine", vec![stage(10, 2.0, 0.1), stage(800, 1.5, 0.9)]);
        let floor = run("floor", vec![stage(10, 1.0, 0.1), stage(800, 0.75, 0.4)]);
        Report {
            version: "0",
            build: "release",
            commit: "c0ffee".to_owned(),
            command: "trunkline storm".to_owned(),
            machine: "a machine".to_owned(),
            pinned: Some((0, 1)),
            talk: String::new(),
            audio: Audio::Pcmu,
            vendor: VendorShape::default(),
            runs: vec![engine, floor],
            is_valid: true,
            is_kept: true,
        }
    }

    #[test]
    fn the_floor_stands_beside_the_engine_and_what_is_invalid_says_so() {
        let table = table(&report());
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && line.contains('%')).collect();
        assert_eq!(rows.len(), 4, "{table}");
        assert!(
            rows[0].starts_with("| 10 | engine | 2.00 |") && rows[1].starts_with("| 10 | floor | 1.00 |"),
            "{table}"
        );
        assert!(rows[2].contains("90 %, INVALID") && !rows[3].contains("INVALID"), "{table}");
        assert!(table.contains("trunkline storm") && table.contains("c0ffee") && table.contains("a machine"));
    }

    #[test]
    fn the_picture_has_a_line_for_each_and_its_points_within_the_frame() {
        let picture = picture(&report());
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert_eq!(picture.matches("<circle").count(), 4);
        assert_eq!(picture.matches("fill=\"white\" stroke").count(), 1, "{picture}");
        assert!(picture.contains("60.0,40.0") && picture.contains("700.0,"), "{picture}");
        assert!(!picture.contains("NaN"));
    }
}
