//! `mlxk server`: models over HTTP.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use mlxk_engine::SpillOptions;
use mlxk_server::{ApiKey, DefaultModel, KeepAlive, Server, ServerConfig, Stop};
use tracing::level_filters::LevelFilter;

use crate::address::Address;
use crate::args::{LogLevel, ServerArgs};
use crate::config::keys::backends;
use crate::exit::{ExitStatus, UsageError};
use crate::models::resolve;
use crate::{Context, address, answer, env, input, interrupt};

/// Variables of Ollama's server that mlxk doesn't read, and its own options for the same.
const OLLAMA_OPTIONS: [(&str, &str); 8] = [
    ("OLLAMA_CONTEXT_LENGTH", "--ctx"),
    ("OLLAMA_DEBUG", "--log-level debug"),
    ("OLLAMA_KEEP_ALIVE", "--keep-alive"),
    ("OLLAMA_KV_CACHE_TYPE", "--kv-bits"),
    ("OLLAMA_MAX_LOADED_MODELS", "--max-models"),
    ("OLLAMA_MAX_QUEUE", "--queue"),
    ("OLLAMA_NUM_PARALLEL", "--parallel"),
    ("OLLAMA_ORIGINS", "--cors-origin"),
];

/// Port of Ollama, if `OLLAMA_HOST` has none.
const OLLAMA_PORT: u16 = 11434;

/// Time between two checks for Ctrl-C.
const WATCH: Duration = Duration::from_millis(50);

/// Connections at once of a server that passes requests on.
const ROUTED_CONNECTIONS: usize = 4096;

/// Serves until Ctrl-C or SIGTERM. A second one ends the process immediately.
pub(crate) fn run(args: &ServerArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    log(args, context);
    check(args, context)?;
    interrupt::listen()?;
    let config = config(args, context)?;
    note_variables_of_ollama(args, context);
    let has_key = config.api_key.is_some();
    let server = Server::bind(config)?;
    if !server.is_local() && !has_key {
        context.printer.note(
            "warning: The server is open to the network without a key. Everyone who reaches it can use, load and \
             unload models, but not pull, create or delete any. Set `MLXK_API_KEY` to change that",
        );
    }
    watch(server.stop());
    if server.preload()? {
        tell_addresses(&server, has_key, context);
    }
    server.run();
    Ok(ExitStatus::Success)
}

fn tell_addresses(server: &Server, has_key: bool, context: &Context) {
    let url = address::url(&server.address().ip().to_string(), server.address().port());
    context
        .printer
        .note(format_args!("Listening on http://{}; stop with Ctrl-C", server.address()));
    context.printer.note(format_args!("Chat in your browser: {url}"));
    let key = if has_key { "your API key" } else { "any API key" };
    context.printer.note(format_args!("OpenAI clients and editors: base URL {url}/v1, with {key}"));
    context.printer.note(format_args!("Ollama clients: OLLAMA_HOST={url}"));
}

fn check(args: &ServerArgs, context: &Context) -> anyhow::Result<()> {
    if args.embed_backend.is_some() {
        let problem = "`--embed-backend` is not needed: this server has `/v1/embeddings` itself";
        return Err(UsageError(problem.into()).into());
    }
    for name in &context.settings.mlx_knife.unheeded {
        context.printer.note(format_args!("warning: `{name}` of MLX-Knife has no effect"));
    }
    for (option, given) in [("--reload", args.reload), ("--chunk", args.chunk.is_some())] {
        if given {
            context.printer.note(format_args!("warning: `{option}` has no effect"));
        }
    }
    Ok(())
}

/// Says which of Ollama's variables have no effect, and what has.
fn note_variables_of_ollama(args: &ServerArgs, context: &Context) {
    let settings = &context.settings;
    let ours = settings.server_address(args.host.as_ref(), args.port).ok();
    let is_ours = |host: &&str| {
        let theirs = host.parse::<Address>().ok();
        theirs.zip(ours.as_ref()).is_some_and(|(theirs, (host, port))| {
            let name = |host: &str| host.replace("localhost", "127.0.0.1");
            name(&theirs.host) == name(host) && theirs.port.unwrap_or(OLLAMA_PORT) == *port
        })
    };
    let instead = settings.ollama_host_instead(args.host.as_ref());
    if let Some(host) = instead.filter(|host| !is_ours(host)) {
        let there = match host.parse::<Address>() {
            Ok(_) => format!("to listen there, pass `--host {host}` or set `MLXK_HOST`"),
            Err(_) => "choose an address with `--host` or `MLXK_HOST`".to_owned(),
        };
        context.printer.note(format_args!("`OLLAMA_HOST` doesn't move mlxk; {there}"));
    }
    let named = |name: &String| match OLLAMA_OPTIONS.iter().find(|(known, _)| known == name) {
        Some((_, option)) => format!("`{name}` (use `{option}`)"),
        None => format!("`{name}`"),
    };
    let names: Vec<String> = settings.ollama_unheeded.iter().map(named).collect();
    if !names.is_empty() {
        context.printer.note(format_args!("warning: mlxk doesn't read {}", names.join(", ")));
    }
}

fn config(args: &ServerArgs, context: &Context) -> anyhow::Result<ServerConfig> {
    let settings = &context.settings;
    let file = &settings.config;
    let engine = &args.engine;
    let mut config =
        ServerConfig::new(settings.locations.clone(), settings.pairs.clone(), settings.hub.clone());
    (config.host, config.port) = settings.server_address(args.host.as_ref(), args.port)?;
    config.model = default_model(args, context)?;
    config.context = engine.ctx.or_else(|| file.count("defaults.ctx"));
    config.device = engine.compute.device(engine.compute.arithmetic(), settings)?;
    config.max_tokens = args.max_tokens.or_else(|| file.count("defaults.max_tokens"));
    config.judge = crate::models::supported::judge;
    config.small_files = crate::models::supported::small_files;
    config.report = super::bench::markdown;
    config.prompt_lookup = !engine.no_prompt_lookup;
    config.huge_pages = !engine.decode.no_huge_pages;
    config.draft_model = answer::draft_model(
        engine.decode.draft_model.as_deref(),
        !engine.compute.no_pull,
        context,
    )?;
    if config.draft_model.is_some() && config.model.is_none() {
        return Err(UsageError("`--draft-model` needs `--model`".into()).into());
    }
    if let Some(count) = args.max_models.or_else(|| file.count("server.max_models")) {
        config.max_models = count;
    }
    if let Some(count) = args.parallel.or_else(|| file.count("server.parallel")) {
        config.parallel = count;
    }
    if let Some(count) = args.queue.or_else(|| file.count("server.queue")) {
        config.queue = count;
    }
    let grace = file.count("server.grace").map(|seconds| seconds as u64);
    if let Some(seconds) = args.grace.or(grace) {
        config.limits.grace = Duration::from_secs(seconds);
    }
    config.memory_limit_bytes = args.memory_limit.or_else(|| file.size("server.memory_limit"));
    let spill = args.spill.or_else(|| file.size("server.spill"));
    config.spill = spill.map(|max_bytes| SpillOptions {
        folder: settings.locations.data_dir.join("prefixes"),
        max_bytes,
    });
    let keep_alive = args.keep_alive.or_else(|| KeepAlive::parse(file.text("server.keep_alive")?));
    if let Some(keep_alive) = keep_alive {
        // A pinned model refuses to make room for another; as the default of all models, -1 must not.
        config.keep_alive = match keep_alive {
            KeepAlive::Pinned => KeepAlive::Forever,
            other => other,
        };
    }
    config.strict = args.strict || file.flag("server.strict");
    config.exact_prompts = args.exact_prompts || file.flag("server.exact_prompts");
    config.backends.clone_from(&args.backend);
    if let Some(text) = file.text("server.backends").filter(|_| args.backend.is_empty()) {
        config.backends = backends(text)?;
    }
    if !config.backends.is_empty() {
        // Hosts elsewhere compute, so connections are cheap here.
        config.limits.connections = ROUTED_CONNECTIONS;
    }
    config.lookup = env::read_known;
    config.api_key = api_key(args, context)?;
    let listed = |given: &[String], key: &str| match file.text(key) {
        Some(text) if given.is_empty() => text.split(',').map(|it| it.trim().to_owned()).collect(),
        _ => given.to_vec(),
    };
    config.cors_origins = listed(&args.cors_origin, "server.cors_origins");
    config.allowed_hosts = listed(&args.allow_host, "server.allow_hosts");
    Ok(config)
}

/// Finds the model to load at startup.
fn default_model(args: &ServerArgs, context: &Context) -> anyhow::Result<Option<DefaultModel>> {
    let configured = || context.settings.config.text("server.model").map(str::to_owned);
    let Some(written) = args.model.clone().or_else(configured) else { return Ok(None) };
    let resolved = resolve::find(&written, !args.engine.compute.no_pull, context)?;
    Ok(Some(DefaultModel { written, resolved }))
}

/// Reads the API key from the file of `--api-key-file` or its setting, otherwise from the environment.
fn api_key(args: &ServerArgs, context: &Context) -> anyhow::Result<Option<ApiKey>> {
    let settings = &context.settings;
    let named = settings.config.text("server.api_key_file").map(Path::new);
    let Some(path) = args.api_key_file.as_deref().or(named) else {
        if env::is_unreadable(env::MLXK_API_KEY) {
            let problem = "`MLXK_API_KEY` is blank or not UTF-8, so it would protect nothing; set a key, or unset it";
            return Err(UsageError(problem.into()).into());
        }
        return Ok(settings.api_key.as_deref().and_then(ApiKey::new));
    };
    let text = input::read_text(path)
        .with_context(|| format!("Cannot read the API key in `{}`", path.display()))?;
    ApiKey::new(&text)
        .map(Some)
        .with_context(|| format!("The file `{}` contains no API key", path.display()))
}

/// Stops the server after Ctrl-C.
fn watch(stop: Stop) {
    std::thread::spawn(move || {
        while !interrupt::requested() {
            std::thread::sleep(WATCH);
        }
        interrupt::reset();
        stop.stop();
        while !interrupt::requested() {
            std::thread::sleep(WATCH);
        }
        interrupt::leave();
    });
}

/// Starts the log. From here on, notes are lines of it, too.
fn log(args: &ServerArgs, context: &Context) {
    let older = &context.settings.mlx_knife;
    let level = match args.log_level.or(older.log_level).unwrap_or(LogLevel::Info) {
        _ if args.verbose || older.debug => LevelFilter::DEBUG,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let as_json = args.log_json || older.log_json;
    if as_json {
        context.printer.log_as_json();
    }
    crate::log::start(level, as_json);
}
