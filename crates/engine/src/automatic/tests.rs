use std::ops::ControlFlow;

use mlxk_cpu::CpuOptions;
use mlxk_gpu::{GpuOptions, adapters};
use mlxk_testkit::{Kind, Stored, checkpoint};

use super::*;

/// A choice between a processor of one thread and any adapter, named so that software counts, too.
fn automatic(folder: &Path) -> Automatic {
    Automatic {
        cpu: CpuOptions { threads: Some(1), ..CpuOptions::default() },
        gpu: GpuOptions { adapter: Some("0".to_owned()), ..GpuOptions::default() },
        layers: None,
        decisions: Some(folder.join("devices")),
        surroundings: String::new(),
    }
}

fn go_on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn software_is_not_chosen() {
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    let folder = tempfile::tempdir().unwrap();
    let options = LoadOptions::new(model.path());
    let automatic = automatic(folder.path());
    let has_card = adapters().iter().any(|adapter| adapter.kind != mlxk_gpu::AdapterKind::Software);
    if has_card {
        println!("skipped: this machine has a GPU");
        return;
    }
    let found = decide(&options, &automatic, &mut mlxk_gpu::first_card, &mut go_on).unwrap();
    assert!(!found);
    let known = known(model.path(), &automatic).unwrap();
    assert_eq!((known.gpu, known.measured), (None, None));
    assert!(!settle(&options, &automatic, &mut go_on).unwrap().is_gpu());
}

#[test]
fn a_model_is_measured_once() {
    let Some(card) = adapters().into_iter().next() else {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return;
    };
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    let folder = tempfile::tempdir().unwrap();
    let options = LoadOptions::new(model.path());
    let automatic = automatic(folder.path());
    let mut looked = 0;
    let mut look = |driver: &str| {
        let found = AdapterInfo { driver: driver.to_owned(), ..card.clone() };
        let chosen = decide(
            &options,
            &automatic,
            &mut || {
                looked += 1;
                Some(found.clone())
            },
            &mut go_on,
        );
        (chosen.unwrap(), known(model.path(), &automatic).unwrap())
    };
    let (chosen, first) = look("1");
    let measured = first.measured.unwrap();
    assert_eq!(chosen, measured.prefers_gpu());
    assert!(measured.gpu.decode > 0.0 && measured.cpu.decode > 0.0, "{measured:?}");
    let (again, second) = look("1");
    assert_eq!((again, &second), (chosen, &first));
    // A system that shows its drivers has another fingerprint after an update, so that a decision for the processor
    // needs no look at them.
    let (_, third) = look("2");
    if chosen || mlxk_gpu::fingerprint().is_none() {
        assert_ne!(third.gpu, first.gpu);
    } else {
        assert_eq!((third, looked), (first, 1));
    }
}

#[test]
fn a_measurement_ends_when_it_is_cancelled() {
    let Some(card) = adapters().into_iter().next() else {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return;
    };
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    let folder = tempfile::tempdir().unwrap();
    let options = LoadOptions::new(model.path());
    let automatic = automatic(folder.path());
    let run = |most: usize| {
        let mut calls = 0;
        let mut progress = |_, _| {
            calls += 1;
            if calls > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let found = decide(&options, &automatic, &mut || Some(card.clone()), &mut progress);
        (found, calls)
    };
    // In the beginning, while the model is loaded, and between tokens.
    for most in [0, 1, 20, 40] {
        let (found, calls) = run(most);
        assert!(
            matches!(found, Err(EngineError::Model(ModelError::Cancelled))),
            "{most}: {found:?}"
        );
        assert_eq!(calls, most + 1);
        assert_eq!(known(model.path(), &automatic), None);
    }
    let (found, calls) = run(usize::MAX);
    assert!(found.is_ok() && calls > 41, "{calls}");
}

#[test]
fn vectors_are_computed_on_the_processor() {
    let Some(card) = adapters().into_iter().next() else {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return;
    };
    let model = mlxk_testkit::encoder(false);
    let folder = tempfile::tempdir().unwrap();
    let automatic = automatic(folder.path());
    let options = LoadOptions::new(model.path());
    assert!(!decide(&options, &automatic, &mut || Some(card.clone()), &mut go_on).unwrap());
    assert_eq!(known(model.path(), &automatic).unwrap().measured, None);
}

#[test]
fn a_gpu_that_fails_leaves_the_model_on_the_processor() {
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    let folder = tempfile::tempdir().unwrap();
    let mut automatic = automatic(folder.path());
    automatic.gpu.adapter = Some("Voodoo2".to_owned());
    let options = LoadOptions {
        device: DeviceChoice::Auto(Box::new(automatic)),
        ..LoadOptions::new(model.path())
    };
    let engine = crate::Engine::load(&options, &mut go_on);
    let engine = engine.unwrap();
    assert!(!engine.is_on_gpu() && engine.device().ends_with("1 thread"), "{}", engine.device());
}
