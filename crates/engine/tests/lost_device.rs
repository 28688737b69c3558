//! A GPU that stops working costs the requests that run on it, and nothing else.
#![cfg(feature = "gpu")]

mod common;

use common::{Kind, Stored, answer, checkpoint, load, options, request};
use mlxk_engine::{DeviceChoice, EngineError, Event, GpuOptions, LoadOptions};

fn on(options: GpuOptions) -> DeviceChoice {
    DeviceChoice::Gpu { options, layers: None }
}

#[test]
fn a_lost_device_fails_what_runs() {
    if mlxk_gpu::adapters().is_empty() {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return;
    }
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let gpu = GpuOptions { adapter: Some("0".to_owned()), exact: true, ..GpuOptions::default() };
    let healthy = LoadOptions { device: on(gpu.clone()), ..options(&folder) };
    let expected = answer(&load(&healthy), request("Hello", 20));

    let device = on(GpuOptions { lost_after: Some(40), ..gpu });
    let engine = load(&LoadOptions { device, ..healthy.clone() });
    assert_eq!(answer(&engine, request("Hello", 20)).essence(), expected.essence());
    assert!(!engine.is_lost());
    // It is lost while these run, and each is told once, in a sentence.
    let running = [1, 2].map(|at| engine.submit(request(&format!("Hello {at}"), 200)).unwrap());
    for running in running {
        let events: Vec<Event> = running.collect();
        let Some(Event::Error(error @ EngineError::Step { .. })) = events.last() else {
            panic!("{:?}", events.last())
        };
        assert!(error.to_string().contains("was lost"), "{error}");
        assert!(engine.is_lost());
    }
    // Further ones fail, too, without a panic.
    let error = engine.submit(request("Hello", 20)).unwrap().wait().unwrap_err();
    assert!(error.to_string().contains("was lost"), "{error}");
    drop(engine);
    // A new engine computes again.
    assert_eq!(answer(&load(&healthy), request("Hello", 20)).essence(), expected.essence());
}
