//! What a benchmark found: figures by turn, what they are compared with, and what they must reach.
//!
//! - [`Section`]: figures that belong together; [`Figure`], [`Delay`]: one row of it.
//! - `table`: the text for people; `save`: the JSON that is kept.

mod save;
mod table;

use serde::Serialize;

use crate::args::Args;
use crate::latency::{Latencies, Percentiles};
use crate::machine::{self, Machine};

/// Everything that one run of a benchmark found.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    about: &'static str,
    date: String,
    command: String,
    machine: Machine,
    turns: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    load_after: f64,
    sections: Vec<Section>,
    #[serde(skip)]
    save: bool,
    #[serde(skip)]
    smoke: bool,
}

/// Figures that belong together.
#[derive(Debug, Serialize)]
pub struct Section {
    title: String,
    figures: Vec<Figure>,
    delays: Vec<Delay>,
    remarks: Vec<String>,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many in a second: more is better.
    PerSecond,
    /// Seconds: less is better.
    Seconds,
    /// Milliseconds: less is better.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// A share of one core: processor time by time on the wall.
    Cores,
    /// Just how many.
    Count,
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The median is at least this.
    AtLeast(f64),
    /// The median is at most this.
    AtMost(f64),
    /// The median of the ratios is at least this.
    RatioAtLeast(f64),
}

/// One number, measured once a turn.
#[derive(Debug, Serialize)]
pub struct Figure {
    name: String,
    unit: Unit,
    turns: Vec<f64>,
    median: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<String>,
    /// By turn, this by what it is compared with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratios: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    goals: Vec<Judged>,
}

/// Latencies, measured many times a turn.
#[derive(Debug, Serialize)]
pub struct Delay {
    name: String,
    /// Of all turns together.
    all: Percentiles,
    turns: Vec<Percentiles>,
    goals: Vec<JudgedDelay>,
    #[serde(skip)]
    sum: Latencies,
}

#[derive(Debug, Serialize)]
struct Judged {
    goal: Goal,
    reached: bool,
}

/// A goal for latencies: in the median turn, this quantile is at most so long.
#[derive(Clone, Copy, Debug, Serialize)]
struct JudgedDelay {
    quantile: Quantile,
    at_most_ms: f64,
    reached: bool,
}

/// Which latency a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantile {
    /// Half are no longer.
    P50,
    /// 99 in 100 are no longer.
    P99,
}

impl Report {
    /// An empty one.
    pub fn new(args: &Args, about: &'static str) -> Self {
        let mut command = format!("cargo bench -p flightline-benches --bench {}", args.bench);
        if !args.given.is_empty() {
            command.push_str(" -- ");
            command.push_str(&args.given.join(" "));
        }
        Self {
            bench: args.bench,
            about,
            date: args.date.clone().unwrap_or_else(machine::today),
            command,
            machine: Machine::look(),
            turns: args.rounds,
            note: args.note.clone(),
            load_after: 0.0,
            sections: Vec::new(),
            save: args.save,
            smoke: args.smoke,
        }
    }

    /// The section of that title, made when it is not there yet.
    pub fn section(&mut self, title: &str) -> &mut Section {
        let at = self.sections.iter().position(|s| s.title == title);
        let at = at.unwrap_or_else(|| {
            self.sections.push(Section {
                title: title.to_owned(),
                figures: Vec::new(),
                delays: Vec::new(),
                remarks: Vec::new(),
            });
            self.sections.len() - 1
        });
        &mut self.sections[at]
    }

    /// Works the figures out, prints them, and keeps them if that was asked for.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.load_after = machine::load();
        self.sections.iter_mut().for_each(Section::judge);
        table::print(&self)?;
        if self.save {
            save::save(&self)?;
        }
        Ok(())
    }
}

impl Section {
    /// Adds what a turn measured. The first time adds the row.
    pub fn turn(&mut self, name: &str, unit: Unit, value: f64) -> &mut Figure {
        let at = self.figures.iter().position(|f| f.name == name);
        let at = at.unwrap_or_else(|| {
            self.figures.push(Figure {
                name: name.to_owned(),
                unit,
                turns: Vec::new(),
                median: 0.0,
                against: None,
                ratios: Vec::new(),
                ratio: None,
                goals: Vec::new(),
            });
            self.figures.len() - 1
        });
        let figure = &mut self.figures[at];
        assert_eq!(figure.unit, unit, "{name} has one unit");
        figure.turns.push(value);
        figure
    }

    /// Adds the latencies of a turn. The first time adds the row.
    pub fn delays(&mut self, name: &str, latencies: &Latencies) -> &mut Delay {
        let at = self.delays.iter().position(|d| d.name == name);
        let at = at.unwrap_or_else(|| {
            self.delays.push(Delay {
                name: name.to_owned(),
                all: Percentiles::default(),
                turns: Vec::new(),
                goals: Vec::new(),
                sum: Latencies::default(),
            });
            self.delays.len() - 1
        });
        let delay = &mut self.delays[at];
        delay.sum.merge(latencies);
        delay.turns.push(latencies.percentiles());
        delay
    }

    /// Adds a remark, once.
    pub fn remark(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    fn judge(&mut self) {
        let turns: Vec<(String, Vec<f64>)> = self
            .figures
            .iter()
            .map(|f| (f.name.clone(), f.turns.clone()))
            .collect();
        for figure in &mut self.figures {
            figure.median = median(&figure.turns);
            let base = figure.against.as_ref().and_then(|against| {
                let found = turns.iter().find(|(name, _)| name == against);
                found.map(|(_, turns)| turns)
            });
            if let Some(base) = base {
                figure.ratios = if base.len() == figure.turns.len() {
                    figure.turns.iter().zip(base).map(|(a, b)| a / b).collect()
                } else {
                    vec![figure.median / median(base)]
                };
                figure.ratio = Some(median(&figure.ratios));
            }
            for judged in &mut figure.goals {
                judged.reached = match judged.goal {
                    Goal::AtLeast(least) => figure.median >= least,
                    Goal::AtMost(most) => figure.median <= most,
                    Goal::RatioAtLeast(least) => figure.ratio.is_some_and(|ratio| ratio >= least),
                };
            }
        }
        for delay in &mut self.delays {
            delay.all = delay.sum.percentiles();
            for judged in &mut delay.goals {
                let of_turn = |turn: &Percentiles| match judged.quantile {
                    Quantile::P50 => turn.p50_ms,
                    Quantile::P99 => turn.p99_ms,
                };
                let turns: Vec<f64> = delay.turns.iter().map(of_turn).collect();
                judged.reached = median(&turns) <= judged.at_most_ms;
            }
        }
    }
}

impl Figure {
    /// Compares it, turn by turn, with another row of the section.
    pub fn against(&mut self, name: &str) -> &mut Self {
        self.against = Some(name.to_owned());
        self
    }

    /// Says what it must reach.
    pub fn goal(&mut self, goal: Goal) -> &mut Self {
        if !self.goals.iter().any(|judged| judged.goal == goal) {
            self.goals.push(Judged {
                goal,
                reached: false,
            });
        }
        self
    }
}

impl Delay {
    /// Says how long a quantile may be in the median turn, in milliseconds.
    pub fn goal(&mut self, quantile: Quantile, at_most_ms: f64) -> &mut Self {
        if !self.goals.iter().any(|judged| judged.quantile == quantile) {
            self.goals.push(JudgedDelay {
                quantile,
                at_most_ms,
                reached: false,
            });
        }
        self
    }
}

/// The middle one; of an even number the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn section() -> Section {
        Section {
            title: "s".to_owned(),
            figures: Vec::new(),
            delays: Vec::new(),
            remarks: Vec::new(),
        }
    }

    #[test]
    fn ratios_are_taken_turn_by_turn() {
        let mut s = section();
        // Both slow down together: by turn, the ratio is always a half.
        for speed in [10.0, 4.0, 8.0] {
            s.turn("base", Unit::PerSecond, speed * 2.0);
            s.turn("ours", Unit::PerSecond, speed)
                .against("base")
                .goal(Goal::RatioAtLeast(0.5))
                .goal(Goal::AtLeast(9.0));
        }
        s.judge();
        let ours = &s.figures[1];
        assert_eq!((ours.median, ours.ratio), (8.0, Some(0.5)));
        assert_eq!(ours.ratios, [0.5, 0.5, 0.5]);
        let reached: Vec<_> = ours.goals.iter().map(|g| g.reached).collect();
        assert_eq!(reached, [true, false]);
    }

    #[test]
    fn one_bad_turn_does_not_decide_over_a_latency() {
        let mut s = section();
        for ms in [1, 100, 2] {
            let mut latencies = Latencies::default();
            latencies.record(Duration::from_millis(ms));
            s.delays("wait", &latencies).goal(Quantile::P99, 5.0);
        }
        s.judge();
        assert!(s.delays[0].goals[0].reached);
        assert_eq!(s.delays[0].all.count, 3);
        assert!(s.delays[0].all.max_ms > 99.0);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
