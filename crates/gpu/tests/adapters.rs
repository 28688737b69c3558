//! The choice of an adapter.

use mlxk_gpu::{AdapterKind, Gpu, GpuError, GpuOptions, adapters};
use mlxk_ops::{Batch, Compute};

#[test]
fn software_is_never_chosen_by_itself() {
    match Gpu::open(GpuOptions::default()) {
        Ok(gpu) => assert_ne!(gpu.info().kind, AdapterKind::Software),
        Err(error) => assert!(matches!(error, GpuError::NoGpu), "{error}"),
    }
}

#[test]
fn an_unknown_name_is_refused() {
    let options = GpuOptions { adapter: Some("Voodoo2".to_owned()), ..GpuOptions::default() };
    let error = Gpu::open(options).err().unwrap();
    assert!(error.to_string().starts_with("No GPU is called `Voodoo2`; there "), "{error}");
}

#[test]
fn adapters_are_found_by_name_and_by_number() {
    for (index, info) in adapters().into_iter().enumerate() {
        assert!(!info.name.is_empty() && !info.driver.is_empty());
        assert!(info.limits.binding >= 128 << 20 && info.limits.workgroup >= 16 << 10);
        for name in [info.name.to_uppercase(), index.to_string()] {
            let options = GpuOptions { adapter: Some(name), ..GpuOptions::default() };
            assert_eq!(Gpu::open(options).unwrap().info().name, info.name);
        }
    }
}

/// The file of compiled kernels appears, and is read without a complaint.
#[test]
fn compiled_kernels_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let Some(info) = adapters().into_iter().next() else { return };
    for _ in 0..2 {
        let kernels = Some(folder.path().join("gpu"));
        let adapter = Some(info.name.clone());
        let mut gpu = Gpu::open(GpuOptions { adapter, kernels, ..GpuOptions::default() }).unwrap();
        gpu.begin(&Batch::default()).unwrap();
        let x = gpu.act(2, 3);
        gpu.scale(x, 0.0);
        assert_eq!(gpu.read(x).unwrap(), [0.0; 6]);
        drop(gpu);
        if info.interface == "Vulkan" {
            let files: Vec<_> = std::fs::read_dir(folder.path().join("gpu")).unwrap().collect();
            assert_eq!(files.len(), 1, "{files:?}");
        }
    }
}
