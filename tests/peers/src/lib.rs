//! A scripted server on this machine. It answers every request as a test says: at once, in parts,
//! incompletely, or not at all.
//!
//! ```
//! # use mlxk_test_peers::{Peer, json};
//! let peer = Peer::start(|asked| json(200, &format!("\"{}\"", asked.path)));
//! // Point a client at `peer.address()`.
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod ollama;
pub mod openai;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A received request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET` or `POST`.
    pub method: String,
    /// The path.
    pub path: String,
    /// Lines of the head, which are the request line and the headers.
    pub head: Vec<String>,
    /// The body; null if it is not JSON.
    pub body: Value,
}

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Part {
    /// Sends these bytes.
    Send(String),
    /// Sends the nanoseconds since an instant, between two texts.
    Time(Instant, [String; 2]),
    /// Waits.
    Pause(Duration),
    /// Keeps the connection open and sends nothing, as long as the server lives.
    Hang,
}

type Answer = dyn Fn(&Asked) -> Vec<Part> + Send + Sync;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    /// Open connections, each with a number of its own.
    open: Arc<Mutex<HashMap<usize, TcpStream>>>,
}

impl Peer {
    /// Starts a server with these answers. The connection closes after each one.
    pub fn start(answer: impl Fn(&Asked) -> Vec<Part> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let open: Arc<Mutex<HashMap<usize, TcpStream>>> = Arc::default();
        let (log, ended, kept) = (Arc::clone(&asked), Arc::clone(&over), Arc::clone(&open));
        let peer = Self { address, asked: log, over: ended, open: kept };
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let (asked, over, open) =
                    (Arc::clone(&asked), Arc::clone(&over), Arc::clone(&open));
                let answer = Arc::clone(&answer);
                // Errors are ignored: some tests are about clients that disconnect.
                std::thread::spawn(move || {
                    let stream = stream.ok()?;
                    open.lock().unwrap().insert(number, stream.try_clone().ok()?);
                    if over.load(Ordering::SeqCst) {
                        // It died in between.
                        open.lock().unwrap().remove(&number);
                        return None;
                    }
                    let served = serve(stream, &asked, &over, &*answer);
                    open.lock().unwrap().remove(&number);
                    served.ok()
                });
            }
        });
        peer
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Dies: all connections break off, and there are no new ones.
    pub fn kill(&self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections, so that it gives up the port.
        let _ = TcpStream::connect(self.address);
        for (_, stream) in self.open.lock().unwrap().drain() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Returns all requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    over: &AtomicBool,
    answer: &Answer,
) -> std::io::Result<()> {
    // Every part is sent at once, however small.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { method, path, head, body };
    log.lock().unwrap().push(asked.clone());
    for part in answer(&asked) {
        match part {
            Part::Send(text) => {
                stream.write_all(text.as_bytes())?;
                stream.flush()?;
            }
            Part::Time(since, [before, after]) => {
                stream.write_all(
                    format!("{before}{}{after}", since.elapsed().as_nanos()).as_bytes(),
                )?;
            }
            Part::Pause(time) => std::thread::sleep(time),
            Part::Hang => {
                while !over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
    Ok(())
}

/// Returns the head of an answer that lasts until the connection closes.
pub fn head(status: u16, kind: &str) -> Part {
    Part::Send(format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n"
    ))
}

/// Returns an answer of JSON.
pub fn json(status: u16, body: &str) -> Vec<Part> {
    vec![head(status, "application/json"), Part::Send(body.to_owned())]
}

/// Returns a stream of server-sent events.
pub fn events(events: &[&str]) -> Vec<Part> {
    let mut parts = vec![head(200, "text/event-stream")];
    parts.extend(events.iter().map(|event| Part::Send(format!("data: {event}\n\n"))));
    parts
}

/// Returns a stream of lines.
pub fn lines(lines: &[&str]) -> Vec<Part> {
    let mut parts = vec![head(200, "application/x-ndjson")];
    parts.extend(lines.iter().map(|line| Part::Send(format!("{line}\n"))));
    parts
}
