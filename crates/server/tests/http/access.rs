//! API keys, origins and hosts.

use std::io::Write;

use mlxk_server::ApiKey;
use serde_json::json;

use crate::world::{World, rest};

#[test]
fn every_route_but_health_requires_the_key() {
    let world = World::with(|config| config.api_key = ApiKey::new("secret"));
    assert_eq!(world.get("/health").status, 200);
    let refused = world.get("/v1/models");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(refused.json()["error"]["code"], "invalid_api_key");
    for (name, value, status) in [
        ("authorization", "Bearer secret", 200),
        ("x-api-key", "secret", 200),
        ("authorization", "Bearer secrets", 401),
        ("authorization", "Basic secret", 401),
    ] {
        let answer = world.send("GET", "/v1/models", &[(name, value)], "");
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    assert_eq!(world.get("/metrics").status, 401);
}

#[test]
fn pages_of_other_origins_reach_nothing() {
    let world = World::new();
    let with = |name, value| world.send("GET", "/v1/models", &[(name, value)], "");
    // Anyone in the network may give out a name in `.local`.
    for host in ["evil.example", "evil.local:80"] {
        assert_eq!(with("host", host).status, 403, "{host}");
    }
    for host in ["localhost:1234", "host.docker.internal", "192.168.1.2", "0.0.0.0"] {
        assert_eq!(with("host", host).status, 200, "{host}");
    }
    let named = World::with(|config| config.allowed_hosts = vec!["models.example".into()]);
    let status = |host| named.send("GET", "/v1/models", &[("host", host)], "").status;
    assert_eq!((status("models.example"), status("evil.example")), (200, 403));
    assert_eq!(with("origin", "http://0.0.0.0:3000").status, 200);
    let refused = with("origin", "https://evil.example");
    assert_eq!(refused.status, 403);
    assert!(refused.error().0.contains("`--cors-origin`"), "{refused:?}");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let own = with("origin", "http://localhost:3000");
    assert_eq!(
        (own.status, own.header("access-control-allow-origin")),
        (200, Some("http://localhost:3000"))
    );
    let asked = [
        ("origin", "http://localhost:3000"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = world.send("OPTIONS", "/v1/chat/completions", &asked, "");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
    let kind = [("content-type", "text/plain")];
    let plain = world.send("POST", "/v1/chat/completions", &kind, &json!({}).to_string());
    assert_eq!(plain.status, 415);
}

/// Sends a head and returns the status.
fn status_of(world: &World, head: &str) -> u16 {
    let mut stream = world.connect();
    write!(stream, "{head}connection: close\r\n\r\n").unwrap();
    let answer = rest(&mut stream);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[test]
fn an_open_server_is_called_by_its_address_or_its_own_name() {
    let open = World::with(|config| "0.0.0.0".clone_into(&mut config.host));
    let host =
        |world: &World, host: &str| world.send("GET", "/v1/models", &[("host", host)], "").status;
    for name in ["127.0.0.1:8000", "192.168.7.7", "[fe80::1]:9", "localhost"] {
        assert_eq!(host(&open, name), 200, "{name}");
    }
    #[cfg(target_os = "linux")]
    {
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host(&open, own.trim()), 200);
    }
    for name in ["rebound.example:8000", "127.0.0.1.evil.example", "evil.localhost.example"] {
        assert_eq!(host(&open, name), 403, "{name}");
    }
    // A page does not know the key, so names are free with one.
    let keyed = World::with(|config| {
        "0.0.0.0".clone_into(&mut config.host);
        config.api_key = ApiKey::new("secret");
    });
    let headers = [("host", "proxy.example"), ("x-api-key", "secret")];
    assert_eq!(keyed.send("GET", "/v1/models", &headers, "").status, 200);
}

#[test]
fn a_host_and_an_origin_are_read_strictly_and_once() {
    let world = World::new();
    for (head, status) in [
        ("GET /health HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("GET /health HTTP/1.0\r\n", 200),
        ("GET /health HTTP/1.1\r\n", 400),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n", 400),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", 400),
        ("GET /health HTTP/1.1\r\nhost: [::1].evil.example\r\n", 403),
        ("GET /health HTTP/1.1\r\nhost: localhost:1@evil.example\r\n", 403),
        ("GET /health HTTP/1.1\r\nhost:\r\n", 403),
        ("GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\n", 403),
        ("GET http://localhost/health HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\norigin: http://[::1].evil.example\r\n", 403),
        (
            "GET /health HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
             origin: https://evil.example\r\n",
            400,
        ),
    ] {
        assert_eq!(status_of(&world, head), status, "{head}");
    }
}
