//! The command line of a benchmark.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, bail};

/// A benchmark's own option: a whole number.
#[derive(Clone, Copy, Debug)]
pub struct Extra {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What it is when nobody says.
    pub value: u64,
    /// What it is in the small mode.
    pub smoke: u64,
    /// What it means.
    pub help: &'static str,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Args {
    /// Name of the benchmark.
    pub bench: &'static str,
    /// Small mode: seconds in total, checks that what is measured is right, measures nothing.
    pub smoke: bool,
    /// Write the figures under `runs/`.
    pub save: bool,
    /// How many turns of each subject.
    pub rounds: usize,
    /// The day to state in the report; absent = today by the system's clock.
    pub date: Option<String>,
    /// Run only parts whose name contains this.
    pub only: Option<String>,
    /// A remark to keep with the figures.
    pub note: Option<String>,
    /// Arguments as they were given, for the report.
    pub given: Vec<String>,
    extras: BTreeMap<&'static str, u64>,
}

const SMOKE_ROUNDS: usize = 1;

impl Args {
    /// Reads the process's arguments. Ends the process after `--help`, and on an argument that is
    /// not known.
    pub fn read(bench: &'static str, about: &str, rounds: usize, extras: &[Extra]) -> Self {
        match Self::parse(bench, rounds, extras, std::env::args().skip(1)) {
            Ok(Some(args)) => args,
            Ok(None) => {
                let _ = write!(std::io::stdout(), "{}", help(bench, about, rounds, extras));
                std::process::exit(0)
            }
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "{bench}: {error:#} (see --help)");
                std::process::exit(2)
            }
        }
    }

    /// An option of the benchmark's own.
    ///
    /// # Panics
    /// When the benchmark did not declare it.
    pub fn extra(&self, name: &str) -> u64 {
        match self.extras.get(name) {
            Some(value) => *value,
            None => panic!("{} declares no option {name}", self.bench),
        }
    }

    /// Is this part to be run?
    pub fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| part.contains(only))
    }

    /// One of two sizes: that of a measurement, or that of the small mode.
    pub fn size<T>(&self, full: T, smoke: T) -> T {
        if self.smoke { smoke } else { full }
    }

    fn parse(
        bench: &'static str,
        rounds: usize,
        extras: &[Extra],
        given: impl Iterator<Item = String>,
    ) -> anyhow::Result<Option<Self>> {
        let given: Vec<String> = given.collect();
        // `cargo bench` passes `--bench`; `cargo test --benches` does not, and wants no figures.
        let measures = given.iter().any(|arg| arg == "--bench");
        let smoke = !measures || given.iter().any(|arg| arg == "--smoke");
        let default = |extra: &Extra| if smoke { extra.smoke } else { extra.value };
        let mut args = Self {
            bench,
            smoke,
            save: false,
            rounds: if smoke { SMOKE_ROUNDS } else { rounds },
            date: None,
            only: None,
            note: None,
            given: given
                .iter()
                .filter(|arg| *arg != "--bench")
                .cloned()
                .collect(),
            extras: extras.iter().map(|e| (e.name, default(e))).collect(),
        };
        let mut rest = given.into_iter();
        while let Some(arg) = rest.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut value = || {
                let value = inline.clone().or_else(|| rest.next());
                value.with_context(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--help" | "-h" => return Ok(None),
                "--bench" | "--smoke" => {}
                "--save" => args.save = true,
                "--rounds" => args.rounds = number(&name, &value()?)?,
                "--date" => args.date = Some(value()?),
                "--only" => args.only = Some(value()?),
                "--note" => args.note = Some(value()?),
                other => match other
                    .strip_prefix("--")
                    .and_then(|n| args.extras.get_mut(n))
                {
                    Some(slot) => *slot = number(&name, &value()?)?,
                    None => bail!("there is no option {other}"),
                },
            }
        }
        if args.rounds == 0 {
            bail!("--rounds is 0: nothing would be measured");
        }
        if args.smoke && args.save {
            bail!("--save keeps figures, and --smoke measures none");
        }
        Ok(Some(args))
    }
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> anyhow::Result<N> {
    text.replace('_', "")
        .parse()
        .map_err(|_| anyhow::anyhow!("{name} must be a whole number, not '{text}'"))
}

fn help(bench: &str, about: &str, rounds: usize, extras: &[Extra]) -> String {
    let mut text = format!(
        "{bench}: {about}\n\n\
         cargo bench -p flightline-benches --bench {bench} [-- OPTIONS]\n\n\
         --smoke        small and quick: checks what is measured, not how long it takes\n\
         --save         write the figures to benches/runs/\n\
         --rounds N     turns of each subject (default {rounds})\n\
         --only TEXT    only the parts whose name contains TEXT\n\
         --date DAY     the day to state in the report (default: today)\n\
         --note TEXT    a remark to keep with the figures\n"
    );
    for extra in extras {
        text.push_str(&format!(
            "--{:<12} {} (default {})\n",
            format!("{} N", extra.name),
            extra.help,
            extra.value
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTRAS: &[Extra] = &[Extra {
        name: "records",
        value: 1000,
        smoke: 10,
        help: "records",
    }];

    fn parse(given: &[&str]) -> anyhow::Result<Option<Args>> {
        Args::parse("b", 5, EXTRAS, given.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn without_cargo_bench_it_is_small() {
        let args = parse(&[]).unwrap().unwrap();
        assert!(args.smoke);
        assert_eq!((args.rounds, args.extra("records")), (1, 10));
        let args = parse(&["--bench"]).unwrap().unwrap();
        assert!(!args.smoke);
        assert_eq!((args.rounds, args.extra("records")), (5, 1000));
    }

    #[test]
    fn options_are_read_in_both_forms() {
        let given = [
            "--bench",
            "--records",
            "1_000_000",
            "--rounds=3",
            "--only",
            "hot",
        ];
        let args = parse(&given).unwrap().unwrap();
        assert_eq!((args.rounds, args.extra("records")), (3, 1_000_000));
        assert!(args.wants("hot flight") && !args.wants("spread"));
        assert!(!args.given.contains(&"--bench".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for given in [
            &["--bench", "--record", "5"][..],
            &["--rounds", "0"],
            &["--rounds"],
            &["--records", "many"],
            &["--smoke", "--save"],
        ] {
            assert!(parse(given).is_err(), "{given:?} was taken");
        }
        assert!(parse(&["--help"]).unwrap().is_none());
    }
}
