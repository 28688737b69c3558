//! A GPU that stops working costs the requests that run on it. The next one loads the model again.

use mlxk_engine::{DeviceChoice, GpuOptions};
use serde_json::json;

use crate::world::World;

#[test]
fn the_next_request_finds_a_new_device() {
    if mlxk_engine::adapters().is_empty() {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return;
    }
    let world = World::with(|config| {
        let adapter = Some("0".to_owned());
        let options = GpuOptions { adapter, lost_after: Some(60), ..GpuOptions::default() };
        config.device = DeviceChoice::Gpu { options, layers: None };
    });
    let ask = |max_tokens: usize| {
        world.complete(json!({"prompt": "Hello", "max_tokens": max_tokens, "temperature": 0}))
    };
    let before = ask(10);
    assert_eq!(before.status, 200, "{before:?}");
    // It is lost in the middle of both.
    let failed = std::thread::scope(|scope| {
        [0, 1].map(|_| scope.spawn(|| ask(200))).map(|it| it.join().unwrap())
    });
    for answer in failed {
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!(answer.error().0.contains("was lost"), "{answer:?}");
    }
    let after = ask(10);
    assert_eq!(after.status, 200, "{after:?}");
    assert_eq!(after.json()["choices"], before.json()["choices"]);
    world.until("the lost engine has gone", |world| world.in_memory().len() == 1);
}
