//! Watched folders and pulls out of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use flightline_connectors::Options;
use flightline_connectors::intake::{FeedKind, FolderConfig, PullConfig};
use flightline_runtime::{IntakeConfig, Way};

use crate::config::{Provider, PullRequest};

/// Every way in of these providers. Errors name the key that is wrong.
pub(crate) fn configured(
    providers: &BTreeMap<String, Provider>,
) -> anyhow::Result<Vec<IntakeConfig>> {
    let mut all: Vec<IntakeConfig> = Vec::new();
    for (name, provider) in providers {
        if let Some(format) = &provider.format {
            kind(name, format, &provider.options()?)
                .with_context(|| format!("[providers.{name}] format"))?;
        }
        if let Some(folder) = &provider.folder {
            let at = format!("[providers.{name}.folder]");
            if folder.every_s == 0 {
                bail!("{at} every_s is 0: it must be at least 1");
            }
            let same = |other: &IntakeConfig| matches!(&other.way, Way::Folder(config) if config.path == folder.path);
            if let Some(other) = all.iter().find(|other| same(other)) {
                bail!(
                    "{at} path {} is the folder of provider {} already: give each its own",
                    folder.path.display(),
                    other.kind.provider
                );
            }
            all.push(IntakeConfig {
                kind: kind_of(name, provider, None).with_context(|| at.clone())?,
                way: Way::Folder(FolderConfig {
                    path: folder.path.clone(),
                    settle: Duration::from_secs(folder.settle_s),
                    every: Duration::from_secs(folder.every_s),
                }),
            });
        }
        for (number, pull) in provider.pull.iter().enumerate() {
            let at = || format!("[[providers.{name}.pull]] number {}", number + 1);
            all.push(IntakeConfig {
                kind: kind_of(name, provider, Some(pull)).with_context(at)?,
                way: Way::Pull(Box::new(pull_config(pull).with_context(at)?)),
            });
        }
    }
    Ok(all)
}

fn kind_of(
    name: &str,
    provider: &Provider,
    pull: Option<&PullRequest>,
) -> anyhow::Result<FeedKind> {
    let own = pull.and_then(|pull| Some((pull.format.as_ref()?, &pull.options)));
    match (own, &provider.format) {
        (Some((format, options)), _) => kind(name, format, options),
        (None, Some(format)) => {
            let mut options = provider.options()?;
            options.extend(pull.map(|pull| pull.options.clone()).unwrap_or_default());
            kind(name, format, &options)
        }
        (None, None) => bail!("there is no format: set format, such as format = \"canonical\""),
    }
}

fn kind(name: &str, format: &str, options: &BTreeMap<String, String>) -> anyhow::Result<FeedKind> {
    let given = options
        .iter()
        .fold(Options::new(), |all, (name, value)| all.with(name, value));
    flightline_connectors::format(format)?.connector(&given)?;
    Ok(FeedKind {
        provider: name.parse()?,
        format: format.to_owned(),
        options: options.clone().into_iter().collect(),
    })
}

fn pull_config(pull: &PullRequest) -> anyhow::Result<PullConfig> {
    if pull.every_s == 0 || pull.timeout_s == 0 {
        bail!("every_s and timeout_s must be at least 1");
    }
    if !(pull.rate_per_s.is_finite() && (0.001..=1000.0).contains(&pull.rate_per_s)) {
        bail!(
            "rate_per_s is {}: it must be 0.001 to 1000",
            pull.rate_per_s
        );
    }
    if !(1..=1024).contains(&pull.answer_max_mib) {
        bail!(
            "answer_max_mib is {}: it must be 1 to 1024",
            pull.answer_max_mib
        );
    }
    let token = match &pull.token_env {
        None => None,
        Some(variable) => match std::env::var(variable) {
            Ok(token) if !token.is_empty() => Some(token),
            _ => bail!("token_env names {variable}, which is not set in the environment"),
        },
    };
    Ok(PullConfig {
        body: pull.body.clone(),
        headers: pull.headers.clone().into_iter().collect(),
        token,
        days: pull.days.as_deref().map(str::parse).transpose()?,
        gap: Duration::from_secs_f64(1.0 / pull.rate_per_s),
        timeout: Duration::from_secs(pull.timeout_s),
        bytes_max: (pull.answer_max_mib as usize) << 20,
        ..PullConfig::new(&pull.url, Duration::from_secs(pull.every_s))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Vec<IntakeConfig>> {
        configured(&toml::from_str(text)?)
    }

    #[test]
    fn folders_and_pulls_are_read() {
        let all = read(
            r#"
            [acme]
            format = "nycflights13"
            options = { shift_days = "7" }
            folder = { path = "drop/acme" }
            [[acme.pull]]
            url = "https://acme.example/offers?on={date}"
            every_s = 300
            days = "1..30"
            [[acme.pull]]
            url = "https://acme.example/all"
            every_s = 60
            format = "canonical"
            "#,
        )
        .unwrap();
        let formats: Vec<_> = all.iter().map(|one| one.kind.format.as_str()).collect();
        assert_eq!(formats, ["nycflights13", "nycflights13", "canonical"]);
        assert_eq!(
            all[1].kind.options,
            [("shift_days".to_owned(), "7".to_owned())]
        );
        assert!(all[2].kind.options.is_empty());
        assert!(matches!(&all[0].way, Way::Folder(f) if f.settle == Duration::from_secs(10)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, place, remedy) in [
            (
                "[a]\nformat = \"ssim9\"",
                "[providers.a] format",
                "known formats",
            ),
            (
                "[a.folder]\npath = \"x\"",
                "[providers.a.folder]",
                "set format",
            ),
            (
                "[a]\nformat=\"canonical\"\nfolder = {path=\"x\"}\n[b]\nformat=\"canonical\"\nfolder = {path=\"x\"}",
                "[providers.b.folder]",
                "give each its own",
            ),
            (
                "[a]\nformat=\"canonical\"\n[[a.pull]]\nurl=\"http://a/\"\nevery_s=0",
                "[[providers.a.pull]] number 1",
                "at least 1",
            ),
            (
                "[a]\nformat=\"canonical\"\n[[a.pull]]\nurl=\"http://a/\"\nevery_s=1\nrate_per_s=0",
                "[[providers.a.pull]] number 1",
                "0.001 to 1000",
            ),
            (
                "[a]\nformat=\"canonical\"\n[[a.pull]]\nurl=\"http://a/\"\nevery_s=1\ndays=\"x\"",
                "[[providers.a.pull]] number 1",
                "FROM..TO",
            ),
            (
                "[a]\nformat=\"canonical\"\n[[a.pull]]\nurl=\"http://a/\"\nevery_s=1\ntoken_env=\"NO_SUCH_VARIABLE_HERE\"",
                "number 1",
                "not set in the environment",
            ),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(
                error.contains(place) && error.contains(remedy),
                "{text}: {error}"
            );
        }
    }
}
