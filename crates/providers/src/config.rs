//! Providers from a configuration: an address, TOML or JSON.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{ProviderError, Result};
use crate::key::Key;

/// Dialect of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's API for chats, which most servers speak.
    #[serde(alias = "vllm", alias = "llama-server", alias = "openai-compatible")]
    Openai,
    /// OpenAI's Responses API.
    Responses,
    /// Anthropic's Messages API.
    #[serde(alias = "claude")]
    Anthropic,
    /// Ollama's API.
    Ollama,
    /// A model in this process, or the server of `mlxk` if there is an address.
    Mlxk,
}

impl Dialect {
    const ALL: [(&'static str, Self); 5] = [
        ("openai", Self::Openai),
        ("responses", Self::Responses),
        ("anthropic", Self::Anthropic),
        ("ollama", Self::Ollama),
        ("mlxk", Self::Mlxk),
    ];

    /// Returns the name in configurations.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, dialect)| *dialect == self).map_or("", |(name, _)| name)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, dialect)| *dialect)
    }
}

/// Configuration of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Dialect.
    pub provider: Dialect,
    /// Name of the model, or `None` for the server's first one.
    #[serde(default)]
    pub model: Option<String>,
    /// Address of the server, with or without `/v1` at its end. Without one, it is the dialect's own.
    #[serde(default, alias = "baseUrl", alias = "address", alias = "url")]
    pub base_url: Option<String>,
    /// API key. Better name the variable that has it.
    #[serde(default, alias = "apiKey", deserialize_with = "key")]
    pub api_key: Option<Key>,
    /// Name of the environment variable that has the API key.
    #[serde(default, alias = "apiKeyEnv")]
    pub api_key_env: Option<String>,
}

fn key<'a, D: serde::Deserializer<'a>>(from: D) -> std::result::Result<Option<Key>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|key| !key.is_empty()).map(Key::from))
}

impl Config {
    /// Returns a configuration of a dialect and a model.
    pub fn new(provider: Dialect, model: Option<String>) -> Self {
        Self { provider, model, base_url: None, api_key: None, api_key_env: None }
    }

    /// Reads a configuration: a JSON object, TOML, or an address as in [`Config::from_url`].
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        // The message of a parser would repeat the line, and with it a key.
        if text.starts_with('{') {
            let value: Value = serde_json::from_str(text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                bad(&format!("is not valid JSON (line {line}, column {column})"))
            })?;
            return serde_json::from_value(value).map_err(|error| bad(&says(&error.to_string())));
        }
        if text.contains('=') && !text.contains("://") || text.contains('\n') {
            return toml::from_str(text).map_err(|error| bad(&says(error.message())));
        }
        Self::from_url(text)
    }

    /// Reads an address:
    ///
    /// | address | meaning |
    /// |---|---|
    /// | `ollama:qwen3:0.6b` | the Ollama of this machine |
    /// | `ollama://box:11434/qwen3:0.6b` | Ollama on the host `box` |
    /// | `openai:gpt-5-mini`, `responses:…`, `anthropic:…` | the vendor's own service |
    /// | `openai://box:8080/NAME`, `anthropic://box/NAME` | a server that speaks the dialect, over HTTP |
    /// | `openai+https://box/NAME` | the same with encryption |
    /// | `mlxk:NAME` | a model in this process |
    /// | `mlxk://box:8000/NAME` | a server of `mlxk` |
    /// | `http://box:8080/v1` | a server that speaks OpenAI's dialect; its first model |
    pub fn from_url(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = || {
            let names: Vec<_> = Dialect::ALL.iter().map(|(name, _)| format!("`{name}:`")).collect();
            bad(&format!("`{text}` must begin with {}, `http://` or `https://`", names.join(", ")))
        };
        if text.starts_with("http://") || text.starts_with("https://") {
            if text.ends_with("://") {
                return Err(bad(&format!("`{text}` has no host")));
            }
            let base_url = Some(text.to_owned());
            return Ok(Self { base_url, ..Self::new(Dialect::Openai, None) });
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (name, is_secure) = match scheme.split_once('+') {
            Some((name, "https")) => (name, true),
            Some((name, "http")) => (name, false),
            Some(_) => return Err(wrong()),
            None => (scheme, false),
        };
        let dialect = Dialect::named(name).ok_or_else(wrong)?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let Some(rest) = rest.strip_prefix("//") else {
            return Ok(Self::new(dialect, some(rest)));
        };
        let (host, model) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(bad(&format!("`{text}` has no host; write `{name}://HOST/MODEL`")));
        }
        let base_url = Some(format!("{}://{host}", if is_secure { "https" } else { "http" }));
        Ok(Self { base_url, ..Self::new(dialect, some(model)) })
    }
}

fn bad(problem: &str) -> ProviderError {
    ProviderError::Config(format!("The configuration of a provider is invalid: {problem}"))
}

/// Returns the first line of a parser's message.
fn says(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_short_forms() {
        for (text, dialect, base_url, model) in [
            ("ollama:qwen3:0.6b", Dialect::Ollama, None, Some("qwen3:0.6b")),
            ("ollama://box/qwen3:0.6b", Dialect::Ollama, Some("http://box"), Some("qwen3:0.6b")),
            ("ollama://[::1]:9/a/b", Dialect::Ollama, Some("http://[::1]:9"), Some("a/b")),
            ("openai:gpt-5-mini", Dialect::Openai, None, Some("gpt-5-mini")),
            ("openai+https://box/m", Dialect::Openai, Some("https://box"), Some("m")),
            ("anthropic://box:1", Dialect::Anthropic, Some("http://box:1"), None),
            ("responses:m", Dialect::Responses, None, Some("m")),
            ("mlxk:qwen2.5-coder:1.5b", Dialect::Mlxk, None, Some("qwen2.5-coder:1.5b")),
            ("https://box/v1", Dialect::Openai, Some("https://box/v1"), None),
        ] {
            let config = Config::parse(text).unwrap();
            assert_eq!(config.provider, dialect, "{text}");
            assert_eq!(config.base_url.as_deref(), base_url, "{text}");
            assert_eq!(config.model.as_deref(), model, "{text}");
        }
        for text in ["", "gpt", "ftp://box/m", "openai+ssh://box/m", "ollama:///m"] {
            assert!(matches!(Config::parse(text), Err(ProviderError::Config(_))), "{text}");
        }
    }

    #[test]
    fn toml_and_json_say_the_same_and_hide_keys() {
        let toml = "provider = \"openai\"\nmodel = \"m\"\nbase_url = \"http://box/v1\"\n\
                    api_key = \"sk-secret\"\n";
        let json = r#"{"provider": "openai", "model": "m", "baseUrl": "http://box/v1",
                       "apiKey": "sk-secret"}"#;
        let config = Config::parse(toml).unwrap();
        assert_eq!(config, Config::parse(json).unwrap());
        assert_eq!(config.api_key, Some(Key::from("sk-secret")));
        assert!(!format!("{config:?}").contains("secret"));
        for text in [
            "provider = \"openai\"\napi_key = sk-secret",
            "{\"provider\": \"openai\", \"apiKey\": sk-secret}",
            "provider = \"copilot\"\n",
            "{\"provider\": \"openai\", \"key\": \"sk-secret\"}",
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
    }
}
