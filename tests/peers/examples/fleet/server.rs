//! The server of `mlxk` between clients and hosts.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mlxk_test_peers::Peer;

/// A running server. Dropping it stops it.
pub(crate) struct Router {
    /// Host and port.
    pub(crate) address: String,
    child: Child,
    _home: Home,
}

/// A folder for the server's own files.
struct Home(std::path::PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Router {
    /// Starts a server whose model `big` has these hosts.
    pub(crate) fn start(program: &str, hosts: &[&Peer], queue: usize) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = std::env::temp_dir().join(format!("mlxk-fleet-{port}"));
        std::fs::create_dir_all(&home).unwrap();
        let hosts: Vec<String> =
            hosts.iter().map(|peer| peer.address().replace("http", "openai") + "/tiny").collect();
        let child = Command::new(program)
            .args(["server", "--host", "127.0.0.1", "--log-level", "warning", "--port"])
            .arg(port.to_string())
            .args(["--queue", &queue.to_string()])
            .args(["--backend", &format!("big={}", hosts.join(","))])
            .env("HF_HOME", &home)
            .env("XDG_DATA_HOME", &home)
            .env("XDG_CONFIG_HOME", &home)
            .env_remove("MLXK_CONFIG")
            .env_remove("MLXK_API_KEY")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut router = Self { address: format!("127.0.0.1:{port}"), child, _home: Home(home) };
        let started = Instant::now();
        while std::net::TcpStream::connect(&router.address).is_err() {
            let has_ended = router.child.try_wait().unwrap().is_some();
            let is_late = started.elapsed() > Duration::from_secs(30);
            assert!(!has_ended && !is_late, "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        router
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
