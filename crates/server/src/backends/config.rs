//! Configuration of hosts elsewhere.

use std::str::FromStr;

use super::address::Address;

/// A name and the hosts that answer for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendConfig {
    /// Name of the model for clients of this server.
    pub name: String,
    /// Configurations of the hosts, such as `openai://box:8080/NAME` or `ollama://box/NAME`. `?limit=8` behind one is the
    /// number of requests that it gets at once, and `?drain` keeps new ones away.
    pub hosts: Vec<String>,
}

/// A backend that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The backend `{name}` is invalid: {problem}")]
pub struct BackendError {
    /// Its name.
    pub name: String,
    /// The problem.
    pub problem: String,
}

impl FromStr for BackendConfig {
    type Err = BackendError;

    /// Reads `NAME=HOST` or `NAME=HOST,HOST`.
    fn from_str(text: &str) -> Result<Self, BackendError> {
        let bad =
            |problem: &str| BackendError { name: text.to_owned(), problem: problem.to_owned() };
        let (name, hosts) = text
            .split_once('=')
            .ok_or_else(|| bad("write it as NAME=HOST, such as big=openai://box:8080/qwen3"))?;
        let hosts: Vec<String> = hosts
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect();
        if name.trim().is_empty() || hosts.is_empty() {
            return Err(bad("it needs a name and a host"));
        }
        for host in &hosts {
            Address::parse(host).map_err(|problem| bad(&problem))?;
        }
        Ok(Self { name: name.trim().to_owned(), hosts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_a_name_and_its_hosts() {
        let parsed: BackendConfig = "big = openai://a:1/m, ollama://b/m:1b".parse().unwrap();
        assert_eq!(parsed.name, "big");
        assert_eq!(parsed.hosts, ["openai://a:1/m", "ollama://b/m:1b"]);
        for text in ["big", "=openai://a/m", "big=", "big=ftp://a/m", "big=mlxk:m"] {
            assert!(text.parse::<BackendConfig>().is_err(), "{text}");
        }
    }
}
