//! `mlxk server`: models over HTTP.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use mlxk_engine::SpillOptions;
use mlxk_server::{ApiKey, DefaultModel, KeepAlive, Server, ServerConfig, Stop};
use tracing::level_filters::LevelFilter;

use crate::args::{LogLevel, ServerArgs, size};
use crate::exit::{ExitStatus, UsageError};
use crate::{Context, answer, interrupt, local};

/// How often the signals are looked at.
const WATCH: Duration = Duration::from_millis(50);

/// Serves until Ctrl-C or a polite kill; a second one ends it at once.
pub(crate) fn run(args: &ServerArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    check(args, context)?;
    log(args);
    interrupt::listen()?;
    let config = config(args, context)?;
    let has_key = config.api_key.is_some();
    let server = Server::bind(config)?;
    if !server.is_local() && !has_key {
        context.printer.note(
            "warning: this server is open to the network and asks for no key; it will change no \
             models for anybody. `MLXK_API_KEY` sets a key",
        );
    }
    server.preload()?;
    context
        .printer
        .note(format_args!("Listening on http://{}; Ctrl-C ends the server", server.address()));
    watch(server.stop());
    server.run();
    Ok(ExitStatus::Success)
}

fn check(args: &ServerArgs, context: &Context) -> anyhow::Result<()> {
    let zero = [
        ("--max-models", args.max_models == Some(0)),
        ("--parallel", args.parallel == Some(0)),
        ("--threads", args.threads == Some(0)),
        ("--max-tokens", args.max_tokens == Some(0)),
    ];
    for (option, is_zero) in zero {
        if is_zero {
            return Err(UsageError(format!("`{option}` is 0, but at least 1 is needed")).into());
        }
    }
    if args.embed_backend.is_some() {
        return Err(
            UsageError("`--embed-backend` is not offered: there are no embeddings".into()).into()
        );
    }
    for (option, given) in [("--reload", args.reload), ("--chunk", args.chunk.is_some())] {
        if given {
            context.printer.note(format_args!("`{option}` has no effect on this server"));
        }
    }
    Ok(())
}

fn config(args: &ServerArgs, context: &Context) -> anyhow::Result<ServerConfig> {
    let settings = &context.settings;
    let file = &settings.config;
    let mut config =
        ServerConfig::new(settings.locations.clone(), settings.pairs.clone(), settings.hub.clone());
    let text = |name| file.text(name).map(str::to_owned);
    if let Some(host) = args.host.clone().or_else(|| text("server.host")) {
        config.host = host;
    }
    config.port = settings.server_port(args.port)?;
    let name = args.model.clone().or_else(|| text("server.model"));
    config.model = name
        .map(|written| {
            let resolved = local::find(&written, !args.no_pull, context)?;
            anyhow::Ok(DefaultModel { written, resolved })
        })
        .transpose()?;
    config.context = args.ctx.or_else(|| file.count("defaults.ctx"));
    config.threads = args.threads.or_else(|| file.threads());
    config.max_tokens = args.max_tokens.or_else(|| file.count("defaults.max_tokens"));
    config.judge = crate::look::judge;
    config.exact = args.exact;
    config.kv_format = args.kv_bits;
    config.prompt_lookup = !args.no_prompt_lookup;
    config.huge_pages = !args.no_huge_pages;
    config.draft_model = answer::draft_model(args.draft_model.as_deref(), !args.no_pull, context)?;
    if let Some(count) = args.max_models.or_else(|| file.count("server.max_models")) {
        config.max_models = count;
    }
    if let Some(count) = args.parallel.or_else(|| file.count("server.parallel")) {
        config.parallel = count;
    }
    if let Some(count) = args.queue.or_else(|| file.count("server.queue")) {
        config.queue = count;
    }
    let bytes = |given: Option<u64>, name| match (given, file.text(name)) {
        (Some(bytes), _) => anyhow::Ok(Some(bytes)),
        (None, Some(text)) => Ok(Some(setting(name, text, size(text).ok())?)),
        (None, None) => Ok(None),
    };
    config.memory_limit_bytes = bytes(args.memory_limit, "server.memory_limit")?;
    config.spill = bytes(args.spill, "server.spill")?.map(|max_bytes| SpillOptions {
        folder: settings.locations.data_dir.join("prefixes"),
        max_bytes,
    });
    let keep = match (args.keep_alive, file.text("server.keep_alive")) {
        (Some(keep), _) => Some(keep),
        (None, Some(text)) => Some(setting("server.keep_alive", text, KeepAlive::parse(text))?),
        (None, None) => None,
    };
    if let Some(keep) = keep {
        // For all models together, "for ever" is no reason to refuse another one.
        config.keep_alive = if keep == KeepAlive::Pinned { KeepAlive::Forever } else { keep };
    }
    config.strict = args.strict || file.flag("server.strict");
    config.api_key = api_key(args, context)?;
    config.cors_origins.clone_from(&args.cors_origin);
    if config.cors_origins.is_empty()
        && let Some(origins) = file.text("server.cors_origins")
    {
        config.cors_origins = origins.split(',').map(|it| it.trim().to_owned()).collect();
    }
    Ok(config)
}

/// A setting of the file that has a form of its own.
fn setting<T>(name: &str, text: &str, parsed: Option<T>) -> anyhow::Result<T> {
    parsed.with_context(|| format!("The setting `{name}` is `{text}`, which makes no sense there"))
}

/// The key of the file that a flag or setting names, else of the environment.
fn api_key(args: &ServerArgs, context: &Context) -> anyhow::Result<Option<ApiKey>> {
    let settings = &context.settings;
    let named = settings.config.text("server.api_key_file").map(Path::new);
    let Some(path) = args.api_key_file.as_deref().or(named) else {
        return Ok(settings.api_key.as_deref().and_then(ApiKey::new));
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("Cannot read the key in `{}`", path.display()))?;
    ApiKey::new(&text)
        .map(Some)
        .with_context(|| format!("The file `{}` holds no key", path.display()))
}

/// Ends the server once the user asks for it.
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

fn log(args: &ServerArgs) {
    let level = match args.log_level {
        _ if args.verbose => LevelFilter::DEBUG,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    // There is no other one: this is the only command that logs.
    let _ = if args.log_json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        lines.try_init()
    };
}
