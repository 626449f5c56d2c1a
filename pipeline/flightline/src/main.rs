//! The `flightline` program.

mod cli;
mod commands;
mod config;
mod intake;
mod logging;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
