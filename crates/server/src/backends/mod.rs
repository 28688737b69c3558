//! Hosts elsewhere that answer for models that this server does not run itself.
//!
//! A name stands for one or several hosts. A request goes to the host that its beginning belongs to, so that the host
//! finds the prompt in its cache, unless another one is clearly less busy. A host that fails before its first event is
//! replaced by the next one; one that fails within an answer ends that answer, and nothing else.

mod address;
mod ask;
mod config;
mod embed;
mod error;
mod host;
mod list;
mod pick;
mod queue;

use std::sync::Arc;

use mlxk_providers::{Cancel, Factory};

pub(crate) use ask::{Remote, start};
pub use config::{BackendConfig, BackendError};
pub(crate) use embed::embed;
pub(crate) use host::Host;
pub(crate) use list::{change, list, operations};

use host::Place;
use queue::{NoPlace, Queue, Try};

/// The names that hosts elsewhere answer for.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    groups: Vec<Arc<Group>>,
}

/// A name with its hosts.
#[derive(Debug)]
pub(crate) struct Group {
    /// Name of the model for clients of this server.
    pub(crate) name: String,
    pub(crate) hosts: Vec<Arc<Host>>,
    queue: Arc<Queue>,
}

impl Backends {
    /// Prepares the hosts. Nothing is sent yet. `queue` is the number of requests for a name that may wait, and `lookup`
    /// supplies variables of the environment, such as keys.
    pub(crate) fn new(
        configs: &[BackendConfig],
        queue: usize,
        lookup: fn(&str) -> Option<String>,
    ) -> Result<Self, BackendError> {
        let factory = Factory::new(lookup);
        let group = |config: &BackendConfig| {
            let host = |address: &String| {
                let told = |problem: String| BackendError { name: config.name.clone(), problem };
                Host::new(address, &config.name, &factory).map(Arc::new).map_err(told)
            };
            let hosts = config.hosts.iter().map(host).collect::<Result<_, _>>()?;
            let queue = Arc::new(Queue::new(queue));
            Ok(Arc::new(Group { name: config.name.clone(), hosts, queue }))
        };
        Ok(Self { groups: configs.iter().map(group).collect::<Result<_, _>>()? })
    }

    /// Returns the hosts for a name. Ollama's clients add a tag.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<&Arc<Group>> {
        let name = name?;
        let bare = name.strip_suffix(":latest").unwrap_or(name);
        self.groups.iter().find(|group| group.name == name || group.name == bare)
    }

    /// Returns all names with their hosts.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter()
    }
}

impl Group {
    /// Returns the number of requests that wait for a place on one of the hosts.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes a place on the best host that was not tried yet. `key` is the beginning of the prompt. Blocks the thread
    /// while all hosts are full.
    fn place(&self, key: &[u8], tried: &[Arc<Host>], cancel: &Cancel) -> Result<Place, NoPlace> {
        self.queue.take(cancel, || {
            let mut outcome = Try::Nowhere;
            for host in pick::order(&self.hosts, key) {
                if tried.iter().any(|other| Arc::ptr_eq(other, &host)) {
                    continue;
                }
                match host.take(&self.queue) {
                    Try::Got(place) => return Try::Got(place),
                    Try::Full => outcome = Try::Full,
                    Try::Nowhere => {}
                }
            }
            outcome
        })
    }
}
