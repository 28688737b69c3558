use std::time::{Duration, Instant};

use mlxk_test_hub::{Fault, Hub, Repo};

use mlxk_http::absolute;

use super::*;
use crate::error::HubError;
use crate::http::error::HttpError;
use crate::reporter::{Quiet, Reporter};

fn hub() -> Hub {
    let hub = Hub::start();
    hub.add(Repo::new("org/Open").file("a.json", b"{\"a\": 1}").file("w.safetensors", &[7; 9000]));
    hub.add(Repo::new("org/Gated").file("a.json", b"{}").gated("hf_good"));
    hub
}

fn settings(hub: &Hub, token: Option<&str>) -> HubSettings {
    let token = token.map(|secret| Token { secret: secret.into(), source: "a test".into() });
    HubSettings {
        endpoint: hub.endpoint().to_owned(),
        token,
        stall_timeout: Duration::from_secs(1),
        retry_pause: Duration::from_millis(2),
        ..HubSettings::default()
    }
}

fn client(hub: &Hub, token: Option<&str>) -> Client {
    Client::new(&settings(hub, token)).unwrap()
}

fn get(client: &Client, repo: &str, file: &str) -> crate::error::Result<Vec<u8>> {
    let url = client.url(&format!("/{repo}/resolve/main/{file}"));
    let subject = Subject { repo: repo.into(), revision: None, file: Some(file.into()) };
    client.send(&Request::get(url).about(&subject))?.bytes(1 << 20)
}

#[test]
fn the_token_stays_on_its_host() {
    let hub = hub();
    let client = client(&hub, Some("hf_good"));
    assert_eq!(get(&client, "org/Open", "w.safetensors").unwrap(), [7; 9000]);
    let log = hub.log();
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].on_cdn, log[1].on_cdn), (false, true));
    assert_eq!(log[0].authorization.as_deref(), Some("Bearer hf_good"));
    assert_eq!(log[1].authorization, None);
    assert!(log[0].user_agent.as_ref().unwrap().starts_with("mlxk/"), "{log:?}");
}

#[test]
fn a_redirect_to_another_host_can_be_the_answer() {
    let hub = hub();
    let client = client(&hub, None);
    let url = client.url("/org/Open/resolve/main/w.safetensors");
    let response = client.send(&Request::head(url).follow(Follow::SameHost)).unwrap();
    assert_eq!(response.status(), 302);
    assert!(response.location().unwrap().contains("/w.safetensors?signature="));
}

#[test]
fn what_passes_is_tried_again() {
    let hub = hub();
    let client = client(&hub, None);
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::TooMany("0".into()),
        Fault::TooMany("Sun, 06 Nov 1994 08:49:37 GMT".into()),
    ] {
        hub.fault("a.json", fault, 2);
        assert_eq!(get(&client, "org/Open", "a.json").unwrap(), b"{\"a\": 1}");
        assert!(hub.faults_are_over());
    }
}

#[test]
fn every_refusal_has_its_sentence_and_hint() {
    let hub = hub();
    let (open, good) = (client(&hub, None), client(&hub, Some("hf_good")));
    let bad = client(&hub, Some("hf_bad"));
    let asked = |client: &Client, repo: &str, file: &str| {
        let error = get(client, repo, file).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default(), error.kind())
    };
    let (text, hint, kind) = asked(&open, "org/Gated", "a.json");
    assert!(text.contains("`org/Gated` is gated") && text.contains("no token is set"), "{text}");
    assert!(hint.contains(&format!("{}/org/Gated", hub.endpoint())), "{hint}");
    assert!(hint.contains("HF_TOKEN"), "{hint}");
    assert_eq!(kind, "access_denied");
    let (_, hint, _) = asked(&bad, "org/Gated", "a.json");
    assert!(hint.contains("The token from a test"), "{hint}");
    assert_eq!(get(&good, "org/Gated", "a.json").unwrap(), b"{}");
    let (text, hint, _) = asked(&open, "org/None", "a.json");
    assert!(text.contains("`org/None` does not exist") && hint.contains("HF_TOKEN"), "{hint}");
    let (text, ..) = asked(&open, "org/Open", "b.json");
    assert!(text.contains("`org/Open` has no file `b.json`"), "{text}");
    for (fault, words) in [
        (Fault::TooMany("1000".into()), "refuses more requests"),
        (Fault::Status(416), "returned status 416: as told"),
        (Fault::Status(401), " denied (401: as told)"),
        (Fault::Status(403), " denied (403: as told)"),
        (Fault::RedirectLoop, "Too many redirects"),
    ] {
        hub.fault("w.safetensors", fault.clone(), 20);
        let (text, ..) = asked(&open, "org/Open", "w.safetensors");
        assert!(text.contains(words), "{fault:?}: {text}");
        hub.reset_faults();
    }
    hub.fault("w.safetensors", Fault::Status(502), 6);
    let (text, hint, _) = asked(&open, "org/Open", "w.safetensors");
    assert!(text.contains("502") && hint.contains("Try again later"), "{text} {hint}");
    assert!(hub.faults_are_over(), "six tries");
}

#[test]
fn no_server_at_all() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = HubSettings {
        endpoint: format!("http://127.0.0.1:{port}"),
        retry_pause: Duration::from_millis(1),
        ..HubSettings::default()
    };
    let error = get(&Client::new(&settings).unwrap(), "a/b", "c").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Could not reach `127.0.0.1:{port}`: connection refused")
    );
}

#[test]
fn silence_counts_and_time_does_not() {
    let hub = hub();
    let client = client(&hub, None);
    // Slower in total than the time-out of one second, but never silent.
    hub.fault("w.safetensors", Fault::Drip(1500, Duration::from_millis(250)), 1);
    assert_eq!(get(&client, "org/Open", "w.safetensors").unwrap().len(), 9000);
    hub.fault("w.safetensors", Fault::Stall(10), 1);
    let error = get(&client, "org/Open", "w.safetensors").unwrap_err();
    assert!(matches!(&error, HubError::Http(error) if error.is_passing()), "{error}");
}

#[test]
fn a_cancelled_reporter_ends_a_silent_transfer() {
    struct Impatient(Instant);
    impl Reporter for Impatient {
        fn stage(&self, _label: &str) {}
        fn advance(&self, _done: u64, _total: u64) {}
        fn cancelled(&self) -> bool {
            self.0.elapsed() > Duration::from_millis(200)
        }
    }
    let hub = hub();
    let mut settings = settings(&hub, None);
    settings.stall_timeout = Duration::from_hours(1);
    let client = Client::new(&settings).unwrap();
    hub.fault("w.safetensors", Fault::Stall(10), 1);
    let error = supervised(&client, &Impatient(Instant::now()), |_| {
        get(&client, "org/Open", "w.safetensors")
    })
    .unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    let error = supervised(&client, &Quiet, |_| get(&client, "org/Open", "a.json")).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "a cancelled client stays so");
}

#[test]
fn settings_that_make_no_sense() {
    let with = |change: fn(&mut HubSettings)| {
        let mut settings = HubSettings::default();
        change(&mut settings);
        Client::new(&settings).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(
        with(|settings| settings.proxies.https = Some("user:word@proxy:3128".into())),
        Ok(())
    );
    for (change, words) in [
        (
            (|settings| settings.endpoint = "huggingface.co".into()) as fn(&mut HubSettings),
            "`HF_ENDPOINT`",
        ),
        (|settings| settings.endpoint = "ftp://x".into(), "`HF_ENDPOINT`"),
        (|settings| settings.proxies.https = Some("a b".into()), "`HTTPS_PROXY`"),
        (|settings| settings.certificates = Some("/nowhere.pem".into()), "`SSL_CERT_FILE`"),
    ] {
        let text = with(change).unwrap_err();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_proxy_is_used_but_for_its_exceptions() {
    let hub = hub();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut settings = settings(&hub, None);
    settings.proxies.http = Some(format!("http://127.0.0.1:{port}"));
    let error = get(&Client::new(&settings).unwrap(), "org/Open", "a.json").unwrap_err();
    assert!(matches!(error, HubError::Http(HttpError::Unreachable { .. })), "{error}");
    settings.proxies.no_proxy = Some("localhost, 127.0.0.1".into());
    assert!(get(&Client::new(&settings).unwrap(), "org/Open", "a.json").is_ok());
}

#[test]
fn redirect_targets() {
    let base = "https://hub.example:8443/a/b?c=d";
    for (target, expected) in [
        ("https://cdn.example/x?y=z#part", "https://cdn.example/x?y=z"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("/x?u=http://y", "https://hub.example:8443/x?u=http://y"),
        ("x", "https://hub.example:8443/a/x"),
    ] {
        assert_eq!(absolute(base, target).as_deref(), Some(expected));
    }
    assert_eq!(absolute(base, "#part"), None);
}

#[test]
fn addresses_are_escaped() {
    assert_eq!(escape("a b/c+ü.json"), "a%20b/c%2b%c3%bc.json");
    assert_eq!(escape_part("refs/pr/1"), "refs%2Fpr%2F1");
}
