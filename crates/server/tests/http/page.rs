//! The page for browsers: who gets it, and with which headers.

use mlxk_server::ApiKey;
use serde_json::json;

use crate::world::World;

/// Header of a browser that opens an address.
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// Returns the paths that the page refers to.
fn references(page: &str) -> Vec<String> {
    let parts = page.split('"').filter(|part| part.starts_with("page/"));
    parts.map(|part| format!("/{part}")).collect()
}

#[test]
fn browsers_get_the_page_and_others_the_greeting() {
    let world = World::new();
    let page = world.send("GET", "/", &[BROWSER], "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text.starts_with("<!doctype html>"), "{}", page.text);
    for accept in ["*/*", "application/json", "text/html;q=0"] {
        let greeting = world.send("GET", "/", &[("accept", accept)], "");
        assert_eq!(greeting.text, "Ollama is running", "{accept}");
        assert_eq!(greeting.header("content-security-policy"), None);
    }
    // A cache must not mix them up.
    for headers in [&[BROWSER][..], &[]] {
        let answer = world.send("GET", "/", headers, "");
        let all: Vec<&str> =
            answer.headers.get_all("vary").iter().filter_map(|it| it.to_str().ok()).collect();
        assert!(all.contains(&"Accept"), "{all:?}");
    }
}

#[test]
fn files_have_their_types_and_the_policy() {
    let world = World::new();
    let page = world.send("GET", "/", &[BROWSER], "");
    let paths = references(&page.text);
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        let file = world.get(&path);
        let expected = match path.rsplit_once('.').unwrap().1 {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((file.status, file.header("content-type")), (200, Some(expected)), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        let policy = file.header("content-security-policy").unwrap();
        for part in
            ["default-src 'none'", "script-src 'self'", "style-src 'self'", "trusted-types 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(world.get("/page/nosuch.js").status, 404);
    assert_eq!(world.get("/page/..%2Fmod.rs").status, 404);
    assert_eq!(world.get("/page/mod.rs").status, 404);
}

#[test]
fn unchanged_files_are_not_sent_again() {
    let world = World::new();
    for (path, headers) in [("/", &[BROWSER][..]), ("/page/main.js", &[])] {
        let first = world.send("GET", path, headers, "");
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let tag = first.header("etag").unwrap();
        for (tags, status) in [
            (tag.to_owned(), 304),
            (format!("\"other\", {tag}"), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let headers = [headers, &[("if-none-match", tags.as_str())]].concat();
            let again = world.send("GET", path, &headers, "");
            assert_eq!((again.status, again.text.is_empty()), (status, status == 304), "{path}");
            assert_eq!(again.header("etag"), Some(tag));
        }
    }
}

#[test]
fn the_page_needs_no_key_but_its_requests_do() {
    let world = World::with(|config| config.api_key = ApiKey::new("secret"));
    let page = world.send("GET", "/", &[BROWSER], "");
    assert_eq!(page.status, 200);
    for path in references(&page.text) {
        assert_eq!(world.get(&path).status, 200, "{path}");
    }
    for path in ["/v1/models", "/api/tags", "/models", "/props", "/pages", "/page"] {
        assert_eq!(world.get(path).status, 401, "{path}");
    }
    let with_key = world.send("GET", "/v1/models", &[("authorization", "Bearer secret")], "");
    assert_eq!(with_key.status, 200);
}

#[test]
fn reports_are_laid_out_for_the_page() {
    let world = World::with(|config| {
        config.report = |report| match report["schema"].as_str() {
            Some(schema) => Ok(format!("## A report of {schema}\n")),
            None => Err("it is not a report".to_owned()),
        };
    });
    let shown = world.post("/bench/report", &json!({"report": {"schema": "x"}}));
    assert_eq!((shown.status, shown.text.as_str()), (200, "## A report of x\n"));
    assert_eq!(shown.header("content-type"), Some("text/markdown; charset=utf-8"));
    let refused = world.post("/bench/report", &json!({"report": {}}));
    let problem = "Cannot show the report: it is not a report".to_owned();
    assert_eq!((refused.status, refused.error()), (400, (problem, json!("report"))));
    assert_eq!(world.post("/bench/report", &json!({})).status, 400);
    let keyed = World::with(|config| config.api_key = ApiKey::new("secret"));
    assert_eq!(keyed.post("/bench/report", &json!({"report": {}})).status, 401);
}

#[test]
fn pages_of_other_origins_get_no_file() {
    let world = World::new();
    for (name, value) in [("origin", "https://evil.example"), ("host", "evil.example")] {
        for path in ["/", "/page/main.js"] {
            assert_eq!(
                world.send("GET", path, &[BROWSER, (name, value)], "").status,
                403,
                "{path}"
            );
        }
    }
    let file = world.get("/page/main.js");
    assert_eq!(file.header("cross-origin-resource-policy"), Some("same-origin"));
}

#[test]
fn a_client_learns_if_it_may_change_models() {
    let may = |world: &World, key: &[(&str, &str)]| {
        world.send("GET", "/props", key, "").json()["may_change_models"].as_bool()
    };
    assert_eq!(may(&World::new(), &[]), Some(true));
    let open = World::with(|config| "0.0.0.0".clone_into(&mut config.host));
    assert_eq!(may(&open, &[]), Some(false));
    let keyed = World::with(|config| {
        "0.0.0.0".clone_into(&mut config.host);
        config.api_key = ApiKey::new("secret");
    });
    assert_eq!(may(&keyed, &[("x-api-key", "secret")]), Some(true));
}
