//! Many clients with conversations, eight hosts, one of which is slow, and one of which dies under load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use mlxk_test_peers::{Part, Peer, head, openai};

use crate::client::{Answer, End, ask};
use crate::quantile;
use crate::server::Router;

const HOSTS: usize = 8;
const SLOW: usize = 6;
const DYING: usize = 7;
/// Requests of each client, one after another.
const TURNS: usize = 3;
/// Pieces of an answer.
const PIECES: usize = 10;
/// Time between two pieces.
const PACE: Duration = Duration::from_millis(100);
/// The slow host takes this many times as long.
const SLOWER: u32 = 5;
/// Share of the requests after which the host dies.
const DIES_AFTER: f64 = 0.25;
const STACK: usize = 128 << 10;

/// Starts a host whose pieces have this distance. They carry its number.
fn host(number: usize) -> Peer {
    let pace = if number == SLOW { PACE * SLOWER } else { PACE };
    let piece = format!("data: {}\n\n", openai::said(&format!("host {number}")));
    let end = format!("data: {}\n\ndata: [DONE]\n\n", openai::end());
    Peer::start(move |_| {
        let mut parts = vec![head(200, "text/event-stream")];
        for _ in 0..PIECES {
            parts.extend([Part::Pause(pace), Part::Send(piece.clone())]);
        }
        parts.push(Part::Send(end.clone()));
        parts
    })
}

/// Runs the simulation and prints its table. Panics if more than the running answers of the dying host fail.
pub(crate) fn run(program: &str, clients: usize) {
    let hosts: Vec<Peer> = (0..HOSTS).map(host).collect();
    let router = Router::start(program, &hosts.iter().collect::<Vec<_>>(), clients);
    let answers = Mutex::new(Vec::with_capacity(clients * TURNS));
    let (sent, begin) = (AtomicUsize::new(0), Barrier::new(clients));
    let dies_at = (DIES_AFTER * (clients * TURNS) as f64) as usize;
    let running_at_death = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (answers, sent, begin) = (&answers, &sent, &begin);
            let (hosts, address, running) = (&hosts, &router.address, &running_at_death);
            let work = move || {
                begin.wait();
                for turn in 0..TURNS {
                    if sent.fetch_add(1, Ordering::SeqCst) == dies_at + clients {
                        running.store(metric(address, DYING, hosts), Ordering::SeqCst);
                        hosts[DYING].kill();
                    }
                    let answer = ask(address, "big", &format!("Client {client}: {turn}"));
                    answers.lock().unwrap().push(answer);
                }
            };
            let builder = std::thread::Builder::new().stack_size(STACK);
            builder.spawn_scoped(scope, work).unwrap();
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let answers = answers.into_inner().unwrap();
    report(&answers, &hosts, clients, seconds, running_at_death.into_inner());
}

/// Returns the requests that the router says a host is answering.
fn metric(address: &str, host: usize, hosts: &[Peer]) -> usize {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|line| {
        line.starts_with("mlxk_backend_requests_running") && line.contains(&hosts[host].address())
    });
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

fn report(answers: &[Answer], hosts: &[Peer], clients: usize, seconds: f64, running: usize) {
    let mut by_host: BTreeMap<String, Vec<&Answer>> = BTreeMap::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        match answer.pieces.first() {
            Some((name, _)) => by_host.entry(name.clone()).or_default().push(answer),
            None => *refused.entry(format!("{:?}", answer.end)).or_default() += 1,
        }
    }
    println!(
        "| host | requests | complete | broken off | first piece, median | whole answer, median |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (number, host) in hosts.iter().enumerate() {
        let name = format!("host {number}");
        let answers = by_host.remove(&name).unwrap_or_default();
        let of = |end: End| answers.iter().filter(|answer| answer.end == end).count();
        let median = |time: fn(&Answer) -> Duration| {
            let mut all: Vec<f64> = answers.iter().map(|it| time(it).as_secs_f64()).collect();
            quantile(&mut all, 0.5)
        };
        let about = match number {
            SLOW => " (slow)",
            DYING => " (dies)",
            _ => "",
        };
        println!(
            "| {}{about} | {} | {} | {} | {:.2} s | {:.2} s |",
            number + 1,
            host.asked().len(),
            of(End::Whole),
            of(End::Broken),
            median(|it| it.first),
            median(|it| it.total)
        );
    }
    let count = |end: End| answers.iter().filter(|answer| answer.end == end).count();
    let (whole, broken) = (count(End::Whole), count(End::Broken));
    let mut firsts: Vec<f64> = answers.iter().map(|it| it.first.as_secs_f64()).collect();
    println!(
        "\n{clients} clients sent {} requests in {seconds:.1} s: {whole} complete answers, {broken} broken off ({running} \
         were running on the host that died). First piece: median {:.0} ms, 99 % within {:.0} ms.",
        answers.len(),
        1e3 * quantile(&mut firsts, 0.5),
        1e3 * quantile(&mut firsts, 0.99)
    );
    // A request without a piece may go to another host. One that got its first piece while the figure was read counts,
    // too.
    assert_eq!(whole + broken, answers.len(), "not answered and not broken off: {refused:?}");
    let dying = answers.iter().filter(|it| it.end == End::Broken);
    let name = format!("host {DYING}");
    assert!(dying.clone().all(|it| it.pieces[0].0 == name), "only its running answers fail");
}
