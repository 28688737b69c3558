//! Addresses of hosts, with their settings.

use mlxk_providers::{Config, Dialect};

/// Requests that a host gets at once, unless its address says otherwise. Its own queue is for those of others.
const MOST: usize = 256;

/// A host as the operator writes it: an address of a provider, and `?limit=8` or `?drain` behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) config: Config,
    /// The address without settings.
    pub(super) written: String,
    /// Requests that the host gets at once.
    pub(super) limit: usize,
    /// `true` if it gets no new requests.
    pub(super) is_draining: bool,
}

impl Address {
    /// Reads an address. Fails with a problem in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (written, settings) = text.split_once('?').unwrap_or((text, ""));
        let config = Config::from_url(written).map_err(|error| error.to_string())?;
        if config.provider == Dialect::Mlxk && config.base_url.is_none() {
            return Err(
                "this server runs its own models without a backend; write `mlxk://HOST/NAME`"
                    .to_owned(),
            );
        }
        let mut address =
            Self { config, written: written.to_owned(), limit: MOST, is_draining: false };
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            match setting.split_once('=') {
                None if setting == "drain" => address.is_draining = true,
                Some(("limit", count)) => {
                    address.limit =
                        count.parse().ok().filter(|&limit| limit > 0).ok_or_else(|| {
                            format!("`limit={count}` must be a number of requests, at least 1")
                        })?;
                }
                _ => {
                    return Err(format!("`{setting}` is not a setting; use `limit=N` or `drain`"));
                }
            }
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_behind_the_address() {
        let address = Address::parse("openai://box:1/m?limit=8&drain").unwrap();
        assert_eq!((address.limit, address.is_draining), (8, true));
        assert_eq!(address.written, "openai://box:1/m");
        assert_eq!(address.config.model.as_deref(), Some("m"));
        let plain = Address::parse("ollama:qwen3:0.6b").unwrap();
        assert_eq!((plain.limit, plain.is_draining), (MOST, false));
        for text in
            ["openai://box/m?limit=0", "openai://box/m?limit", "openai://box/m?fast", "mlxk:m"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
