//! Loading and unloading of models.

use std::sync::Barrier;

use mlxk_hub::{Matching, Resolution};
use mlxk_server::DefaultModel;
use serde_json::json;

use crate::world::{World, add};
use mlxk_testkit::Kind;

fn names(world: &World) -> Vec<String> {
    world.in_memory().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_least_recently_used_model_makes_room() {
    let world = World::with(|config| config.max_models = 2);
    add(&world.home, "org/three", Kind::Mistral);
    for name in ["org/one", "org/two", "org/one", "org/three"] {
        assert_eq!(world.chat(json!({"model": name})).status, 200, "{name}");
    }
    assert_eq!(names(&world), ["org/three", "org/one"]);
    // A short name means the same model.
    assert_eq!(world.chat(json!({"model": "one"})).status, 200);
    assert_eq!(names(&world), ["org/one", "org/three"]);
}

#[test]
fn a_model_that_fails_to_load_unloads_nothing() {
    let world = World::with(|config| config.max_models = 1);
    let broken = add(&world.home, "org/broken", Kind::Llama);
    std::fs::write(broken.join("config.json"), "{\"model_type\": \"llama\"").unwrap();
    let foreign = add(&world.home, "org/foreign", Kind::Llama);
    std::fs::write(foreign.join("config.json"), "{\"model_type\": \"unheard-of\"}").unwrap();
    assert_eq!(world.chat(json!({})).status, 200);
    assert_eq!(world.chat(json!({"model": "org/nowhere"})).status, 404);
    for name in ["org/broken", "org/foreign"] {
        let answer = world.chat(json!({"model": name}));
        assert_eq!(answer.status, 500, "{answer:?}");
        assert_eq!(names(&world), ["org/one"], "{name}");
    }
    assert_eq!(world.chat(json!({})).status, 200);
}

#[test]
fn the_servers_own_model_may_be_removed() {
    let world = World::with(|config| {
        let written = "org/one".to_owned();
        let reference = written.parse().unwrap();
        let found =
            mlxk_hub::resolve(&reference, Matching::Exact, &config.pairs, &config.locations);
        let Ok(Resolution::Local(resolved)) = found else { panic!("{found:?}") };
        config.model = Some(DefaultModel { written, resolved });
    });
    std::fs::remove_dir_all(world.home.path().join("hub/models--org--one")).unwrap();
    for name in ["", "org/one"] {
        let answer = world.chat(json!({"model": name}));
        assert_eq!(answer.status, 404, "{answer:?}");
        assert!(answer.error().0.contains("removed after the server had started"), "{answer:?}");
    }
    assert_eq!(world.chat(json!({"model": "org/two"})).status, 200);
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_the_numbers() {
    let world = World::with(|config| config.memory_limit_bytes = Some(1 << 20));
    let answer = world.chat(json!({}));
    assert_eq!(answer.status, 507);
    assert!(answer.error().0.contains("only 1 MB is available"), "{answer:?}");
    assert_eq!(world.get("/health").status, 200);
}

#[test]
fn keep_alive_unloads_or_pins() {
    let world = World::with(|config| config.max_models = 1);
    assert_eq!(world.chat(json!({"keep_alive": 0})).status, 200);
    world.until("the model goes", |world| names(world).is_empty());
    assert_eq!(world.chat(json!({"keep_alive": -1})).status, 200);
    let refused = world.chat(json!({"model": "org/two"}));
    assert_eq!(refused.status, 507);
    assert!(refused.error().0.contains("pinned"), "{refused:?}");
    let unload = |name| world.post("/models/unload", &json!({"model": name})).status;
    assert_eq!((unload("one"), unload("two"), unload("three")), (200, 404, 404));
    assert_eq!(world.chat(json!({"model": "org/two"})).status, 200);
    assert_eq!(names(&world), ["org/two"]);
}

#[test]
fn a_busy_model_finishes_its_requests_before_it_is_unloaded() {
    let world = World::with(|config| config.max_models = 1);
    let start = Barrier::new(6);
    std::thread::scope(|scope| {
        let ask = |name: &'static str| {
            let (world, start) = (&world, &start);
            scope.spawn(move || {
                start.wait();
                let answer = world.chat(json!({"model": name, "max_tokens": 40}));
                assert_eq!(answer.status, 200, "{answer:?}");
                answer.json()["choices"][0]["message"]["content"].clone()
            })
        };
        let asked = ["org/one", "org/two", "org/one", "org/two", "org/one", "org/two"].map(ask);
        let answers = asked.map(|thread| thread.join().unwrap());
        assert!(answers.iter().step_by(2).all(|answer| *answer == answers[0]));
        assert!(answers.iter().skip(1).step_by(2).all(|answer| *answer == answers[1]));
    });
}
