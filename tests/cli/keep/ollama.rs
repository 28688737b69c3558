//! Errors about `ollama:NAME` and Ollama's store.

use super::transcript;
use crate::support::World;

/// Puts a model with a broken file into Ollama's store.
pub(crate) fn store(world: &World, name: &str, tag: &str, kind: &str) {
    let root = world.home.path().join("ollama");
    let manifests = root.join("manifests/registry.ollama.ai/library").join(name);
    std::fs::create_dir_all(&manifests).unwrap();
    std::fs::create_dir_all(root.join("blobs")).unwrap();
    let digest = "0".repeat(64);
    std::fs::write(root.join(format!("blobs/sha256-{digest}")), "GGUF, but no more").unwrap();
    let manifest = serde_json::json!({"layers": [
        {"mediaType": format!("application/vnd.ollama.image.{kind}"), "digest": format!("sha256:{digest}")}
    ]});
    std::fs::write(manifests.join(tag), manifest.to_string()).unwrap();
}

#[test]
fn what_is_there_is_said() {
    let world = World::new();
    let nothing = transcript(&world, &[&["run", "ollama:", "Hi"]]);
    store(&world, "llama3.2", "1b", "model");
    store(&world, "own", "latest", "tensor");
    let commands: [&[&str]; 8] = [
        &["run", "ollama:", "Hi"],
        &["run", "ollama:nosuch", "Hi"],
        &["run", "ollama:own", "Hi"],
        &["run", "ollama:llama3.2:1b", "Hi", "--no-pull"],
        &["run", "ollama:llama3.2:1b", "Hi"],
        &["run", "llama3.2:1b", "Hi", "--no-pull"],
        &["show", "own:latest"],
        &["rm", "ollama:llama3.2:1b"],
    ];
    let transcript = format!("{nothing}\n\n{}", transcript(&world, &commands));
    insta::assert_snapshot!("ollama", transcript);
}
