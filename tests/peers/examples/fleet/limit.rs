//! The cost of the server itself: delay of pieces, delay of answers, and requests per second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mlxk_test_peers::{Part, Peer, head, openai};

use crate::client::{End, ask};
use crate::quantile;
use crate::server::Router;

/// Pieces whose delay is measured, and the time between them.
const PIECES: usize = 400;
const PACE: Duration = Duration::from_millis(5);
/// Answers of one client that are timed, one after another.
const ANSWERS: usize = 500;
/// Clients at once, and the time that they ask.
const CLIENTS: [usize; 2] = [1, 32];
const SECONDS: f64 = 5.0;

/// Measures and prints all figures.
pub(crate) fn run(program: &str) {
    let quick = Peer::start(|_| {
        let text = format!(
            "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
            openai::said("Good"),
            openai::end()
        );
        vec![head(200, "text/event-stream"), Part::Send(text)]
    });
    let router = Router::start(program, &[&quick], 512);
    let direct = quick.address().replace("http://", "");
    println!("| | direct | through the server | difference | ratio |");
    println!("|---|---:|---:|---:|---:|");
    delays(program);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ANSWERS + 20 {
        for (side, address) in [&direct, &router.address].into_iter().enumerate() {
            let answer = ask(address, if side == 0 { "tiny" } else { "big" }, "Hi");
            assert_eq!(answer.end, End::Whole);
            // The first ones open files and start threads.
            if round >= 20 {
                times[side].push(answer.total.as_secs_f64() * 1e3);
            }
        }
    }
    for (name, share) in [("median", 0.5), ("99 %", 0.99)] {
        let [direct, routed] = times.each_mut().map(|times| quantile(times, share));
        row(&format!("a short answer, {name}"), direct, routed, "ms");
    }
    for clients in CLIENTS {
        let [direct, routed] = [(&direct, "tiny"), (&router.address, "big")]
            .map(|(it, model)| rate(it, model, clients));
        row(&format!("answers a second, {clients} at once"), direct, routed, "/s");
    }
}

fn row(name: &str, direct: f64, routed: f64, unit: &str) {
    println!(
        "| {name} | {direct:.2} {unit} | {routed:.2} {unit} | {:.2} {unit} | {:.2} |",
        routed - direct,
        routed / direct
    );
}

/// Measures the time from sending a piece to reading it. The host writes the time into the piece.
fn delays(program: &str) {
    let zero = Instant::now();
    let host = paced(zero);
    let router = Router::start(program, &[&host], 512);
    let direct = host.address().replace("http://", "");
    let mut delays = [Vec::new(), Vec::new()];
    for _ in 0..2 {
        for (side, address) in [&direct, &router.address].into_iter().enumerate() {
            let answer = ask(address, if side == 0 { "tiny" } else { "big" }, "Hi");
            assert_eq!((answer.end, answer.pieces.len()), (End::Whole, PIECES));
            for (text, at) in &answer.pieces {
                let sent: u64 = text.trim().parse().unwrap();
                delays[side].push((*at - zero).as_secs_f64() * 1e3 - sent as f64 / 1e6);
            }
        }
    }
    for (name, share) in [("median", 0.5), ("99 %", 0.99)] {
        let [direct, routed] = delays.each_mut().map(|delays| quantile(delays, share));
        row(&format!("a piece of an answer, {name}"), direct, routed, "ms");
    }
}

/// Starts a host whose pieces are the times at which they are sent, in nanoseconds since `zero`.
fn paced(zero: Instant) -> Peer {
    Peer::start(move |_| {
        let piece = openai::said("@");
        let around: Vec<&str> = piece.split('@').collect();
        let mut parts = vec![head(200, "text/event-stream")];
        for _ in 0..PIECES {
            let [before, after] = [&around[0], &around[1]].map(|text| (*text).to_owned());
            parts.extend([
                Part::Pause(PACE),
                Part::Time(zero, [format!("data: {before}"), format!("{after}\n\n")]),
            ]);
        }
        let end = format!("data: {}\n\ndata: [DONE]\n\n", openai::end());
        parts.push(Part::Send(end));
        parts
    })
}

/// Returns the answers per second that this many clients get, each of which asks again at once.
fn rate(address: &str, model: &str, clients: usize) -> f64 {
    let done = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while started.elapsed().as_secs_f64() < SECONDS {
                    assert_eq!(ask(address, model, "Hi").end, End::Whole);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / started.elapsed().as_secs_f64()
}
