//! Makes providers from configurations.

use std::sync::{Arc, OnceLock};

use mlxk_http::{Connections, Proxies, Settings, host_and_port};

use crate::anthropic::Anthropic;
use crate::config::{Config, Dialect};
use crate::endpoint::Endpoint;
use crate::error::{ProviderError, Result};
use crate::key::Key;
use crate::ollama::{Ollama, ollama_address};
use crate::openai::OpenAi;
use crate::provider::Provider;
use crate::responses::Responses;

/// A provider, and the model to ask.
#[derive(Clone)]
pub struct Client {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Name of the model, as the provider knows it.
    pub model: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let label = self.provider.label();
        f.debug_struct("Client").field("provider", &label).field("model", &self.model).finish()
    }
}

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Makes providers. It reads variables of the environment through a function, because a library does not decide where
/// settings come from:
///
/// | variables | meaning |
/// |---|---|
/// | `OPENAI_API_KEY`, `OPENAI_BASE_URL` | key and address for `openai` and `responses` |
/// | `ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL` | key and address for `anthropic` |
/// | `OLLAMA_HOST`, `OLLAMA_API_KEY` | address and key for `ollama` |
/// | `MLXK_API_KEY` | key of a server of `mlxk` |
/// | `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` | proxies and certificates for other machines |
/// | `HF_HOME`, `HOME` and others | where models of this process live |
///
/// A key is only sent to the address for which it was configured: the key of a variable goes to the dialect's own
/// service or to the address in the variable, and to no other host.
pub struct Factory {
    lookup: Box<Lookup>,
    near: Connections,
    far: OnceLock<Connections>,
}

impl std::fmt::Debug for Factory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Factory").finish_non_exhaustive()
    }
}

impl Factory {
    /// Returns a factory that reads variables with `lookup`, such as `|name| std::env::var(name).ok()`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Box::new(lookup), near: Connections::default(), far: OnceLock::new() }
    }

    /// Reads a configuration (JSON, TOML or an address, see [`Config::parse`]), and makes its provider. If it names no
    /// model, the server is asked for its first one.
    pub fn from_config(&self, text: &str) -> Result<Client> {
        self.client(&Config::parse(text)?)
    }

    /// Makes the provider of a configuration.
    pub fn client(&self, config: &Config) -> Result<Client> {
        if config.provider == Dialect::Mlxk && config.base_url.is_none() {
            return self.local(config);
        }
        let provider = self.provider(config)?;
        let model = match &config.model {
            Some(model) => model.clone(),
            None => provider.models()?.into_iter().next().ok_or_else(|| {
                ProviderError::Config(format!("{} has no model", provider.label()))
            })?,
        };
        Ok(Client { provider, model })
    }

    fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
        let (variable, address) = match config.provider {
            Dialect::Openai | Dialect::Responses => {
                ("OPENAI", self.value("OPENAI_BASE_URL", "https://api.openai.com"))
            }
            Dialect::Anthropic => {
                ("ANTHROPIC", self.value("ANTHROPIC_BASE_URL", "https://api.anthropic.com"))
            }
            Dialect::Ollama => ("OLLAMA", ollama_address(self.variable("OLLAMA_HOST").as_deref())),
            Dialect::Mlxk => ("MLXK", "http://127.0.0.1:8000".to_owned()),
        };
        let given = config.base_url.as_deref().map(|given| match config.provider {
            Dialect::Ollama => ollama_address(Some(given)),
            Dialect::Mlxk if !has_port(given) => format!("{}:8000", given.trim_end_matches('/')),
            _ => given.to_owned(),
        });
        let address = given.clone().unwrap_or_else(|| address.clone());
        let address = address.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        let key = self.key(config, variable, given.is_none())?;
        let endpoint = Endpoint::new(self.connections(&address)?, &address).with_key(key);
        Ok(match config.provider {
            Dialect::Openai | Dialect::Mlxk => Arc::new(OpenAi { endpoint }),
            Dialect::Responses => Arc::new(Responses { endpoint }),
            Dialect::Anthropic => Arc::new(Anthropic { endpoint }),
            Dialect::Ollama => Arc::new(Ollama::new(endpoint)),
        })
    }

    /// Returns the key for a server. `is_own` is `true` if the address is the dialect's own.
    fn key(&self, config: &Config, variable: &str, is_own: bool) -> Result<Option<Key>> {
        if let Some(name) = &config.api_key_env {
            let key = self.variable(name).map(Key::from);
            return key.map(Some).ok_or_else(|| {
                ProviderError::Config(format!(
                    "The variable `{name}` is not set; it must have the API key"
                ))
            });
        }
        // The key of `mlxk` is for the user's own servers, wherever they are.
        let usual = is_own || config.provider == Dialect::Mlxk;
        let usual = usual.then(|| self.variable(&format!("{variable}_API_KEY"))).flatten();
        Ok(config.api_key.clone().or_else(|| usual.map(Key::from)))
    }

    /// Returns the connections for an address. Proxies are for other machines only.
    fn connections(&self, address: &str) -> Result<&Connections> {
        if is_near(address) {
            return Ok(&self.near);
        }
        if let Some(far) = self.far.get() {
            return Ok(far);
        }
        let either =
            |name: &str| self.variable(name).or_else(|| self.variable(&name.to_ascii_lowercase()));
        let settings = Settings {
            proxies: Proxies {
                https: either("HTTPS_PROXY").or_else(|| either("ALL_PROXY")),
                http: either("HTTP_PROXY").or_else(|| either("ALL_PROXY")),
                no_proxy: either("NO_PROXY"),
            },
            certificates: self.variable("SSL_CERT_FILE").map(Into::into),
            ..Settings::default()
        };
        let far = Connections::new(settings);
        let far = far.map_err(|error| ProviderError::Config(error.to_string()))?;
        Ok(self.far.get_or_init(|| far))
    }

    fn value(&self, name: &str, otherwise: &str) -> String {
        self.variable(name).unwrap_or_else(|| otherwise.to_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
    }

    #[cfg(not(feature = "local"))]
    #[expect(clippy::unused_self, reason = "the other version uses it")]
    fn local(&self, _: &Config) -> Result<Client> {
        Err(ProviderError::Config(
            "This program was built without models of its own; name a server, such as \
             `mlxk://127.0.0.1:8000/NAME`"
                .to_owned(),
        ))
    }

    /// Finds a model on this machine and loads it.
    #[cfg(feature = "local")]
    fn local(&self, config: &Config) -> Result<Client> {
        use mlxk_hub::{Locations, Matching, PairTable, Resolution};

        let Some(name) = &config.model else {
            let problem = "`mlxk:` needs a model, such as `mlxk:qwen2.5-coder:1.5b`";
            return Err(ProviderError::Config(problem.to_owned()));
        };
        let home = self.variable("HOME").or_else(|| self.variable("USERPROFILE"));
        let home = std::path::PathBuf::from(home.unwrap_or_default());
        let locations = Locations::from_values(|name| self.variable(name), &home);
        let told = |problem: String| ProviderError::Local { model: name.clone(), problem };
        let reference =
            name.parse().map_err(|error: mlxk_hub::HubError| told(error.to_string()))?;
        let pairs = PairTable::default();
        let found = mlxk_hub::resolve(&reference, Matching::Substring, &pairs, &locations);
        match found.map_err(|error| told(error.to_string()))? {
            Resolution::Local(found) => {
                let provider = crate::local::Local::load(name.as_str(), &found.path)?;
                Ok(Client { provider: Arc::new(provider), model: name.clone() })
            }
            _ => Err(told(format!("it is not on this machine; get it with `mlxk pull {name}`"))),
        }
    }
}

fn has_port(address: &str) -> bool {
    let host = host_and_port(address);
    host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Returns `true` if the address is on this machine.
fn is_near(address: &str) -> bool {
    let host = host_and_port(address);
    let host = host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host);
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}
