//! `mlxk bench`.

mod compare;
mod kernels;
mod model;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) use compare::{ChangeArgs, CompareArgs, Peer, WorkloadName};
pub(crate) use kernels::KernelsArgs;
pub(crate) use model::{GgufType, ModelArgs, SyntheticMode};

/// Without a sub-command it compares engines.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, after_help = compare::HELP)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub compare: CompareArgs,

    #[command(subcommand)]
    pub command: Option<BenchCommand>,
}

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure matrix products of every form of weights, beside the limits of the machine
    Kernels(KernelsArgs),
    /// Measure models: loading, first token, prefill, decoding, memory
    Model(Box<ModelArgs>),
    /// Tell what has changed between two reports, and fail where it has become slower
    Compare(ChangeArgs),
    /// Hold a model for another process that measures it
    #[command(hide = true)]
    Worker,
}

/// How a report is printed.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Print JSON, with every single figure
    #[arg(long, conflicts_with = "markdown", help_heading = "Output")]
    pub json: bool,

    /// Print Markdown
    #[arg(long, help_heading = "Output")]
    pub markdown: bool,
}

/// Sets of instructions that there are kernels for.
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
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        self.set().word()
    }

    /// As the libraries have it.
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
