//! Measures a server of `mlxk` that passes requests on to scripted hosts, on this machine.
//!
//! ```text
//! fleet MLXK simulate [CLIENTS]   # 8 hosts, of which one is slow and one dies
//! fleet MLXK limit                # what the server itself costs
//! ```

#![allow(clippy::print_stdout, reason = "it prints tables")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod limit;
mod server;
mod simulate;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [program, "simulate"] => simulate::run(program, 1000),
        [program, "simulate", clients] => simulate::run(program, clients.parse().unwrap()),
        [program, "limit"] => limit::run(program),
        _ => {
            println!("usage: fleet MLXK simulate [CLIENTS] | fleet MLXK limit");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Returns the figure below which this share of all figures lies.
fn quantile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let index = (share * figures.len().saturating_sub(1) as f64).round() as usize;
    figures.get(index).copied().unwrap_or(f64::NAN)
}
