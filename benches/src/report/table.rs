//! The report as text: the ratio first, since that is what survives a change of machine.

use std::io::{self, Write};

use super::{Delay, Figure, Goal, Quantile, Report, Section, Unit};

pub(super) fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{}", text(report))?;
    out.flush()
}

fn text(report: &Report) -> String {
    if report.smoke {
        // A small run says nothing about speed; printing figures would invite to quote them.
        let parts: Vec<&str> = report.sections.iter().map(|s| s.title.as_str()).collect();
        return format!("{}: small run passed: {}\n", report.bench, parts.join("; "));
    }
    let m = &report.machine;
    let mut out = format!(
        "\n{}: {}\n{}, {} cores, {}, {}, commit {}, {} turns, load {:.1} before and {:.1} after\n",
        report.bench,
        report.about,
        m.processor,
        m.cores,
        m.kernel,
        report.date,
        m.commit.as_deref().unwrap_or("unknown"),
        report.turns,
        m.load_before,
        report.load_after,
    );
    if let Some(note) = &report.note {
        out.push_str(&format!("note: {note}\n"));
    }
    for section in &report.sections {
        out.push_str(&section_text(section));
    }
    out
}

fn section_text(section: &Section) -> String {
    let mut out = format!("\n  {}\n", section.title);
    let width = |names: &mut dyn Iterator<Item = &String>| {
        names.map(|name| name.chars().count()).max().unwrap_or(0)
    };
    let names = width(&mut section.figures.iter().map(|f| &f.name));
    if !section.figures.is_empty() {
        out.push_str("   ratio      median  lowest – highest\n");
    }
    for figure in &section.figures {
        out.push_str(&figure_text(figure, names));
    }
    let names = width(&mut section.delays.iter().map(|d| &d.name));
    for delay in &section.delays {
        out.push_str(&delay_text(delay, names));
    }
    for remark in &section.remarks {
        out.push_str(&format!("  · {remark}\n"));
    }
    out
}

fn figure_text(figure: &Figure, names: usize) -> String {
    let ratio = match figure.ratio {
        Some(ratio) if ratio >= 100.0 => format!("{ratio:.0}"),
        Some(ratio) if ratio >= 10.0 => format!("{ratio:.1}"),
        Some(ratio) => format!("{ratio:.2}"),
        None => String::new(),
    };
    let least = figure.turns.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figure.turns.iter().copied().fold(0.0, f64::max);
    let spread = format!(
        "{} – {}",
        number(figure.unit, least),
        number(figure.unit, most)
    );
    let goals: String = figure
        .goals
        .iter()
        .map(|judged| {
            let goal = match judged.goal {
                Goal::AtLeast(least) => format!("≥ {}", number(figure.unit, least)),
                Goal::AtMost(most) => format!("≤ {}", number(figure.unit, most)),
                Goal::RatioAtLeast(least) => format!("ratio ≥ {least}"),
            };
            format!("  [{goal}: {}]", verdict(judged.reached))
        })
        .collect();
    let against = figure
        .against
        .as_ref()
        .map_or_else(String::new, |name| format!("  : {name}"));
    format!(
        "  {ratio:>6}  {:>10}  {spread:<25}  {}{}{against}{goals}\n",
        number(figure.unit, figure.median),
        figure.name,
        " ".repeat(if against.is_empty() && goals.is_empty() {
            0
        } else {
            names - figure.name.chars().count()
        }),
    )
}

fn delay_text(delay: &Delay, names: usize) -> String {
    let p = &delay.all;
    let goals: String = delay
        .goals
        .iter()
        .map(|judged| {
            let quantile = match judged.quantile {
                Quantile::P50 => "p50",
                Quantile::P99 => "p99",
            };
            let reached = verdict(judged.reached);
            format!("  [{quantile} ≤ {} ms: {reached}]", judged.at_most_ms)
        })
        .collect();
    format!(
        "  {}{}  p50 {:.3} ms, p99 {:.3}, p99.9 {:.3}, max {:.1} (of {}){goals}\n",
        delay.name,
        " ".repeat(names - delay.name.chars().count()),
        p.p50_ms,
        p.p99_ms,
        p.p999_ms,
        p.max_ms,
        p.count,
    )
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

/// A number with three digits or so and its unit.
fn number(unit: Unit, value: f64) -> String {
    let scaled = |value: f64, steps: &[(f64, &str)], rest: &str| {
        let found = steps.iter().find(|(least, _)| value >= *least);
        match found {
            Some((least, name)) => format!("{:.3$}{} {}", value / least, name, rest, 2),
            None => format!("{value:.0} {rest}"),
        }
    };
    match unit {
        Unit::PerSecond => scaled(value, &[(1e6, " M"), (1e3, " k")], "/s").replace(" /s", "/s"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Milliseconds => format!("{value:.3} ms"),
        Unit::Bytes => scaled(
            value,
            &[
                (1_073_741_824.0, " Gi"),
                (1_048_576.0, " Mi"),
                (1024.0, " Ki"),
            ],
            "B",
        )
        .replace("i B", "iB"),
        Unit::Cores => format!("{value:.2} cores"),
        Unit::Count => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(Unit::PerSecond, 9_612_345.0), "9.61 M/s");
        assert_eq!(number(Unit::PerSecond, 45_120.0), "45.12 k/s");
        assert_eq!(number(Unit::PerSecond, 312.0), "312/s");
        assert_eq!(number(Unit::Bytes, 3.5 * 1_073_741_824.0), "3.50 GiB");
        assert_eq!(number(Unit::Bytes, 12.0), "12 B");
        assert_eq!(number(Unit::Milliseconds, 0.25), "0.250 ms");
    }
}
