//! API keys, origins and hosts.

use mlxk_server::ApiKey;
use serde_json::json;

use crate::world::World;

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
    assert_eq!(with("host", "evil.example").status, 403);
    assert_eq!(with("host", "localhost:1234").status, 200);
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
