//! A client of our own server, for `ps` and `stop`.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::args::TargetArgs;
use crate::config::ConfigError;
use crate::failure::{NoServer, ServerRefused, Tried};
use crate::{Context, address, env};

/// Timeout of a request. A running server answers within milliseconds even while it computes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer of a server.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: Value,
    /// Address of the server.
    pub(super) address: String,
}

/// Sends a request to the server and returns its JSON. If nothing else says where the server is, asks at the address in
/// `OLLAMA_HOST` first, and a note says if the answer is not from there. If that isn't set, asks at the default address,
/// then at Ollama's.
pub(super) fn call(
    target: &TargetArgs,
    method: &str,
    path: &str,
    body: Option<&Value>,
    context: &Context,
) -> anyhow::Result<Answer> {
    let settings = &context.settings;
    let (host, port) = settings.server_address(target.host.as_ref(), target.port)?;
    let request = Request { method, path, body, key: settings.api_key.as_deref() };
    let is_said = target.host.is_some() || target.port.is_some() || settings.has_server_address();
    let named = settings.ollama_host.as_deref().filter(|_| !is_said);
    if let Some(named) = named {
        address::check_ollama_host(named).map_err(|expected| ConfigError::BadVariable {
            name: env::OLLAMA_HOST,
            value: named.to_owned(),
            expected,
        })?;
    }
    let places = Places {
        named: named.map(|named| mlxk_providers::ollama_address(Some(named))),
        usual: address::url(&host, port),
        last: (!is_said && named.is_none()).then(|| mlxk_providers::ollama_address(None)),
    };
    let asked = places.ask(&|address| request.send(address));
    if let Some(tried) = asked.instead_of.filter(|_| is_ours(&asked.result)) {
        context.printer.note(format_args!("{tried}; this is the one at {}", asked.address));
    }
    let address = asked.address;
    asked.result.map(|json| Answer { json, address })
}

/// Returns `true` if our server has answered, even if it has refused.
fn is_ours(result: &anyhow::Result<Value>) -> bool {
    result.is_ok() || result.as_ref().is_err_and(anyhow::Error::is::<ServerRefused>)
}

/// Addresses at which the server may be.
struct Places {
    /// The one in `OLLAMA_HOST`. Ollama itself may be there.
    named: Option<String>,
    usual: String,
    /// The one to try if no server is at the usual address.
    last: Option<String>,
}

/// The result of asking at several places.
struct Asked {
    result: anyhow::Result<Value>,
    /// Address of the server that the result is about.
    address: String,
    /// The address that was set, if the result is about another one.
    instead_of: Option<Tried>,
}

impl Places {
    fn ask(self, send: &dyn Fn(&str) -> anyhow::Result<Value>) -> Asked {
        let instead_of = match self.named {
            None => None,
            Some(address) => {
                let result = send(&address);
                if is_ours(&result) {
                    return Asked { result, address, instead_of: None };
                }
                Some(Tried { address, is_another: result.is_err_and(|it| it.is::<NotOurs>()) })
            }
        };
        let (mut result, mut address) = (send(&self.usual), self.usual);
        if let Some(last) = self.last
            && result.as_ref().is_err_and(anyhow::Error::is::<NoServer>)
        {
            let other = send(&last);
            if is_ours(&other) {
                (result, address) = (other, last);
            }
        }
        let result = result.map_err(|error| match error.downcast::<NoServer>() {
            Ok(error) => NoServer { also: instead_of.clone(), ..error }.into(),
            Err(error) => match error.downcast::<NotOurs>() {
                Ok(error) => NotOurs { also: instead_of.clone(), ..error }.into(),
                Err(error) => error,
            },
        });
        Asked { result, address, instead_of }
    }
}

/// Sends a request to the server at this address, and nowhere else, and returns its JSON.
pub(super) fn call_at(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    context: &Context,
) -> anyhow::Result<Value> {
    Request { method, path, body, key: context.settings.api_key.as_deref() }.send(address)
}

/// The answer is not one of our server's.
#[derive(Debug, thiserror::Error)]
#[error("{}The server at {address} answered with status {status}; is it `mlxk server`?", before(.also.as_ref()))]
struct NotOurs {
    address: String,
    status: u16,
    /// The server in `OLLAMA_HOST`, if that was tried, too.
    also: Option<Tried>,
}

fn before(tried: Option<&Tried>) -> String {
    tried.map(|tried| format!("{tried}. ")).unwrap_or_default()
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    body: Option<&'a Value>,
    key: Option<&'a str>,
}

impl Request<'_> {
    fn send(&self, address: &str) -> anyhow::Result<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let uri = format!("{address}{}", self.path);
        let mut request = ureq::http::Request::builder().method(self.method).uri(uri);
        if let Some(key) = self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = self.body.map(Value::to_string).unwrap_or_default();
        let request = request.header("content-type", "application/json").body(body)?;
        let address = || address.to_owned();
        let mut response = agent.run(request).map_err(|reason| NoServer {
            address: address(),
            reason,
            also: None,
        })?;
        let status = response.status();
        let text =
            response.body_mut().read_to_string().context("The server's answer is incomplete")?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let status = status.as_u16();
        match answer.pointer("/error/message").and_then(Value::as_str) {
            Some(message) => Err(ServerRefused { status, message: message.to_owned() }.into()),
            None => Err(NotOurs { address: address(), status, also: None }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::json;

    use super::*;

    const NAMED: &str = "http://127.0.0.1:11959";
    const USUAL: &str = "http://127.0.0.1:8000";

    fn nothing(address: &str) -> anyhow::Error {
        let reason = ureq::Error::Io(io::Error::other("Connection refused"));
        NoServer { address: address.to_owned(), reason, also: None }.into()
    }

    fn another(address: &str) -> anyhow::Error {
        NotOurs { address: address.to_owned(), status: 404, also: None }.into()
    }

    fn ask(send: &dyn Fn(&str) -> anyhow::Result<Value>) -> Asked {
        Places { named: Some(NAMED.to_owned()), usual: USUAL.to_owned(), last: None }.ask(send)
    }

    #[test]
    fn an_error_names_the_address_that_was_set() {
        let said = |send: &dyn Fn(&str) -> anyhow::Error| {
            ask(&|address| Err(send(address))).result.unwrap_err().to_string()
        };
        assert_eq!(
            said(&nothing),
            format!(
                "No mlxk server at {NAMED} (`OLLAMA_HOST`), nor at {USUAL}: Connection refused"
            )
        );
        let other_there = said(&|at| if at == NAMED { another(at) } else { nothing(at) });
        assert_eq!(
            other_there,
            format!(
                "The server at {NAMED} (`OLLAMA_HOST`) is not mlxk, and no server is at {USUAL}: \
                 Connection refused"
            )
        );
        let other_here = said(&|at| if at == NAMED { nothing(at) } else { another(at) });
        assert!(other_here.starts_with(&format!("No server at {NAMED} (`OLLAMA_HOST`). The")));
        assert!(other_here.contains(&format!("The server at {USUAL} answered with status 404")));
    }

    #[test]
    fn an_answer_from_elsewhere_is_known_as_such() {
        let asked = ask(&|at| if at == NAMED { Err(another(at)) } else { Ok(json!({})) });
        assert_eq!((asked.result.unwrap(), asked.address.as_str()), (json!({}), USUAL));
        let tried = asked.instead_of.unwrap().to_string();
        assert_eq!(tried, format!("The server at {NAMED} (`OLLAMA_HOST`) is not mlxk"));
        for refuses in [false, true] {
            let refused = || ServerRefused { status: 404, message: "no".to_owned() }.into();
            let asked = ask(&|_| if refuses { Err(refused()) } else { Ok(json!({})) });
            assert_eq!(asked.address, NAMED);
            assert!(asked.instead_of.is_none());
        }
    }

    #[test]
    fn the_last_place_is_only_for_a_server_of_ours() {
        let ask = |last: &dyn Fn(&str) -> anyhow::Result<Value>| {
            let places = Places { named: None, usual: USUAL.into(), last: Some(NAMED.into()) };
            places.ask(&|at| if at == USUAL { Err(nothing(at)) } else { last(at) })
        };
        assert_eq!(ask(&|_| Ok(json!(1))).address, NAMED);
        let asked = ask(&|at| Err(another(at)));
        let message = asked.result.unwrap_err().to_string();
        assert_eq!(message, format!("No server at {USUAL}: Connection refused"));
    }
}
