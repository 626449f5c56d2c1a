//! The command line: what can be typed, and which function does it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::config::{Config, Overrides};

/// An exact, ordered seat ledger: flights and fares in from many providers, every seat counted
/// once in one ordered stream per flight, searched, held and sold over HTTP.
#[derive(Debug, Parser)]
#[command(
    name = "flightline",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit code: 0 done, 1 failed, 2 wrong use or configuration.\n\
    Configuration: a TOML file (--config, or flightline.toml here), then FLIGHTLINE_… environment \
    variables (__ between levels, such as FLIGHTLINE_HTTP__LISTEN), then flags."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a replica: the stream, the dataflow, PostgreSQL and the HTTP API.
    Serve(ServeArgs),
    /// Run a replica with a real schedule and simulated bookings, and show what it does.
    Demo(commands::demo::DemoArgs),
    /// Read provider files: send them to a replica, or only check them.
    #[command(subcommand)]
    Feed(commands::feed::FeedCommand),
    /// Views in SQL: check their files, show how they would run, and add, replace, remove and list them in a running
    /// replica.
    #[command(subcommand)]
    Dataflow(commands::dataflow::DataflowCommand),
    /// Fold the stream from the start, check every invariant and compare every PostgreSQL table.
    Verify(commands::verify::VerifyArgs),
    /// Say why something was accepted or refused.
    #[command(subcommand)]
    Explain(commands::explain::ExplainCommand),
    /// Erase personal data for good.
    #[command(subcommand)]
    Erase(commands::erase::EraseCommand),
    /// Make, list and take away bearer tokens.
    #[command(subcommand)]
    Token(commands::token::TokenCommand),
    /// Make and list checkpoints, and trim the stream behind them.
    #[command(subcommand)]
    Checkpoint(commands::checkpoint::CheckpointCommand),
    /// A stream in a cluster.
    #[command(subcommand)]
    Stream(commands::stream::StreamCommand),
    /// The PostgreSQL that a replica writes to.
    #[command(subcommand)]
    Database(commands::database::DatabaseCommand),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file (TOML). Default: flightline.toml in the current folder, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the stream, the private PostgreSQL and the tokens.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl ConfigArgs {
    /// Reads the configuration with these and further overrides.
    pub(crate) fn load(&self, further: Overrides) -> anyhow::Result<Config> {
        let overrides = Overrides {
            data_dir: self.data_dir.clone().or(further.data_dir),
            ..further
        };
        crate::config::load(self.config.as_deref(), &overrides).map_err(|e| Usage(e).into())
    }
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port to listen on; port 0 takes a free one. Default 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Folder of view files (or one file) to maintain as tables; more than once for several. Adds to
    /// dataflow.views of the configuration. Views are added to the first folder by `flightline dataflow add`; it may
    /// be empty.
    #[arg(long, value_name = "DIR|FILE")]
    views: Vec<PathBuf>,
}

/// An error of use or configuration: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The whole chain: what was wrong is often in the cause.
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Something was found wrong and has been reported already: exit code 1 without another word.
#[derive(Debug)]
pub(crate) struct Reported;

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Reported {}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => args
            .config
            .load(Overrides {
                listen: args.listen,
                views: args.views,
                ..Overrides::default()
            })
            .and_then(commands::serve::run),
        Command::Demo(args) => commands::demo::run(args),
        Command::Feed(command) => commands::feed::run(command),
        Command::Dataflow(command) => commands::dataflow::run(command),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Explain(command) => commands::explain::run(&command),
        Command::Erase(command) => commands::erase::run(&command),
        Command::Token(command) => commands::token::run(&command),
        Command::Checkpoint(command) => commands::checkpoint::run(&command),
        Command::Stream(command) => commands::stream::run(&command),
        Command::Database(command) => commands::database::run(&command),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "flightline", &mut out);
            commands::print(&out)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Reported>() => ExitCode::FAILURE,
        Err(error) => {
            commands::tell(&format!("flightline: {error:#}"));
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
