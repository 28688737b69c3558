//! The same goldens on a GPU, or on Mesa's software driver for Vulkan.

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_engine::Split;
use mlxk_gpu::{Gpu, GpuOptions, adapters};
use mlxk_ops::{KvFormat, Ops};

use crate::compare;
use crate::golden::{self, Golden};
use crate::made::Made;
use crate::runner::{Runner, assert_same};

/// Opens a GPU, or says that there is none.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
fn open() -> Option<Box<dyn Ops>> {
    let Some(adapter) = adapters().first().map(|adapter| adapter.name.clone()) else {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return None;
    };
    let (adapter, kv) = (Some(adapter), Some(KvFormat::F32));
    let options = GpuOptions { adapter, exact: true, kv, ..GpuOptions::default() };
    Some(Box::new(Gpu::open(options).unwrap()))
}

/// Every mode of one model, and one mode of every other.
fn names() -> Vec<String> {
    let mut names = golden::names();
    let model = |name: &str| name.rsplit_once('-').unwrap().0.to_owned();
    names.dedup_by(|next, kept| model(next) == model(kept) && model(kept) != "llama-plain");
    names
}

/// Every `step`th case, and those of sparse attention, which few models have.
fn some_names(step: usize) -> Vec<String> {
    let names = names().into_iter().enumerate();
    let names = names
        .filter(|(index, name)| index.is_multiple_of(step) || name.starts_with("deepseek_v32"));
    names.map(|(_, name)| name).collect()
}

/// Does `work` with each case, on one device that keeps its kernels.
fn for_cases(names: impl IntoIterator<Item = String>, mut work: impl FnMut(&Golden, &mut Runner)) {
    let Some(mut ops) = open() else { return };
    for name in names {
        let golden = golden::read(&name);
        let made = Made::new(&golden);
        let folder = made.write();
        if compare::known(&made) {
            let mut runner = Runner::on(ops, folder.path()).unwrap();
            work(&golden, &mut runner);
            ops = runner.ops;
        }
    }
}

#[test]
fn a_gpu_agrees_with_mlx_lm() {
    let mut failed = Vec::new();
    let mut ran = 0;
    for_cases(names(), |golden, runner| {
        let found = compare::agreement_of(runner, golden);
        let (greedy, verdict) = (found.greedy(), found.verdict());
        println!("{:<36} {:>8.1e}  {greedy}{verdict}", golden.name, found.error);
        if !found.passes() {
            failed.push(golden.name.clone());
        }
        ran += 1;
    });
    println!("{ran} cases ran");
    assert!(failed.is_empty(), "beyond the bound: {failed:?}");
}

#[test]
fn a_model_on_a_gpu_and_the_processor_agrees_with_mlx_lm() {
    for name in some_names(9) {
        let Some(gpu) = open() else { return };
        let golden = golden::read(&name);
        let made = Made::new(&golden);
        if !compare::known(&made) {
            continue;
        }
        let (exact, kv) = (true, Some(KvFormat::F32));
        let cpu = CpuOptions { threads: Some(2), exact, kv, ..CpuOptions::default() };
        let split = Split::new(gpu, Box::new(Cpu::new(cpu).unwrap()), 1);
        let folder = made.write();
        let mut runner = Runner::on(Box::new(split), folder.path()).unwrap();
        let found = compare::agreement_of(&mut runner, &golden);
        println!("{name:<36} {:>8.1e}  {}", found.error, found.greedy());
        assert!(found.passes(), "{name}: {found:?}");
    }
}

#[test]
fn a_gpu_gives_the_same_bits_however_the_work_is_divided() {
    // Some of all kinds; compiling their kernels for the processor takes the time.
    for_cases(some_names(7), |golden, runner| {
        let (ids, name) = (&golden.ids[..110], &golden.name);
        let whole = runner.in_steps(ids, [ids.len()]);
        let chunks = runner.in_steps(ids, [1, 7, 32, 31, 2, ids.len()]);
        assert_same(&chunks, &whole, &format!("{name}: in chunks"));
        let other = &golden.greedy[..50];
        let alone = runner.in_steps(other, [other.len()]);
        let batch = runner.side_by_side(&[(ids, 33), (other, 9), (&ids[..6], 1)]);
        assert_same(&batch[0], &whole, &format!("{name}: in a batch"));
        assert_same(&batch[1], &alone, &format!("{name}: second of a batch"));
        assert_same(&batch[2], &whole[..6], &format!("{name}: third of a batch"));
    });
}
