//! Arguments of `mlxk bench` and its subcommands.

mod changes;
mod compare;
mod history;
mod kernels;
mod model;
mod show;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) use changes::ChangeArgs;
pub(crate) use compare::{CompareArgs, Peer, WorkloadName};
pub(crate) use history::HistoryArgs;
pub(crate) use kernels::KernelsArgs;
pub(crate) use model::{GgufType, ModelArgs, SyntheticMode};
pub(crate) use show::ShowReportArgs;

/// Compares engines if there is no subcommand.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = compare::EXAMPLES,
    after_long_help = format!("{}\n\n{}", compare::METHOD, compare::EXAMPLES)
)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub compare: CompareArgs,

    #[command(subcommand)]
    pub command: Option<BenchCommand>,
}

impl BenchArgs {
    /// Returns `true` if the report is printed as JSON.
    pub(crate) fn prints_json(&self) -> bool {
        let output = match &self.command {
            None => &self.compare.print,
            Some(BenchCommand::Kernels(args)) => &args.output,
            Some(BenchCommand::Model(args)) => &args.output,
            Some(BenchCommand::Compare(args)) => &args.output,
            Some(BenchCommand::Show(args)) => &args.print,
            Some(BenchCommand::History(args)) => &args.print,
            Some(BenchCommand::Worker) => return false,
        };
        output.json
    }
}

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure matrix products for all weight formats, and the limits of the machine
    Kernels(KernelsArgs),
    /// Measure models: loading, first token, prefill, decoding, memory
    Model(Box<ModelArgs>),
    /// Compare two reports, and fail if the second is slower
    Compare(ChangeArgs),
    /// Print a report again, or write it as a page
    Show(ShowReportArgs),
    /// Plot the figures of all reports in a folder over time
    History(HistoryArgs),
    /// Load a model for another process to measure
    #[command(hide = true)]
    Worker,
}

/// Options that choose the format of a printed report.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Print JSON with all samples
    #[arg(long, conflicts_with = "markdown", help_heading = "Output")]
    pub json: bool,

    /// Print Markdown
    #[arg(long, help_heading = "Output")]
    pub markdown: bool,
}

/// An instruction set that has kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstructionName {
    Portable,
    Avx2,
    AvxVnni,
    Avx512,
    Neon,
    NeonDotprod,
}

impl InstructionName {
    /// Returns the name that the user types.
    pub(crate) fn word(self) -> &'static str {
        self.set().word()
    }

    /// Returns the instruction set of the library.
    pub(crate) fn set(self) -> mlxk_bench::InstructionSet {
        match self {
            Self::Portable => mlxk_bench::InstructionSet::Portable,
            Self::Avx2 => mlxk_bench::InstructionSet::Avx2,
            Self::AvxVnni => mlxk_bench::InstructionSet::AvxVnni,
            Self::Avx512 => mlxk_bench::InstructionSet::Avx512Vnni,
            Self::Neon => mlxk_bench::InstructionSet::Neon,
            Self::NeonDotprod => mlxk_bench::InstructionSet::NeonDotprod,
        }
    }
}
