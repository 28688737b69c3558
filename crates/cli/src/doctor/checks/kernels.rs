//! Reports the instruction sets of the processor and the chosen kernels.

use mlxk_bench::InstructionSet;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check = Check {
    id: "kernels",
    about: "instruction sets of the processor, and the chosen kernels",
    slow: false,
    run,
};

fn run(_: &Environment<'_>) -> Vec<Line> {
    let features = features();
    let named = if features.is_empty() {
        "no supported instruction set".to_owned()
    } else {
        features.join(", ")
    };
    let chosen = InstructionSet::best();
    let available: Vec<&str> = InstructionSet::available().map(InstructionSet::name).collect();
    let text = format!("{} kernels; the processor supports {named}", chosen.name());
    let line = match chosen {
        InstructionSet::Portable => Line::warning(format!(
            "{text}; answers are several times slower than with vector instructions"
        )),
        _ => Line::ok(text),
    };
    vec![line.data(json!({
        "chosen": chosen.name(), "available": available, "features": features,
    }))]
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::arch::is_x86_feature_detected!($name))),*]
        };
    }
    let all = present!(
        "sse4.2",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avxvnni",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512vnni"
    );
    all.into_iter().filter_map(|(name, here)| here.then_some(name)).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::arch::is_aarch64_feature_detected!($name))),*]
        };
    }
    let all = present!("neon", "fp16", "dotprod", "i8mm", "bf16", "sve");
    all.into_iter().filter_map(|(name, here)| here.then_some(name)).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
