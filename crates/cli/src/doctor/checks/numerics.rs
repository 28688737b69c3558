//! Checks that all kernels compute correctly on this processor.

use mlxk_bench::{InstructionSet, SelfTest, self_test};
use mlxk_engine::{DeviceTest, EngineError};
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check = Check {
    id: "numerics",
    about: "all kernels against a portable reference and f64",
    slow: true,
    run,
};

fn run(environment: &Environment<'_>) -> Vec<Line> {
    environment.reporter.stage("Testing the kernels");
    let mut lines: Vec<Line> =
        InstructionSet::available().filter_map(self_test).map(|found| line(&found)).collect();
    lines.extend(gpus());
    lines.extend(mlx(environment));
    lines
}

/// Tests the GPUs that aren't software. The processor's own kernels are faster than those.
#[cfg(feature = "gpu")]
fn gpus() -> Vec<Line> {
    let all = mlxk_engine::adapters().into_iter().enumerate();
    let cards = all.filter(|(_, info)| info.kind != mlxk_engine::AdapterKind::Software);
    let test = |(index, info): (usize, mlxk_engine::AdapterInfo)| {
        let found = mlxk_engine::gpu_test(Some(&index.to_string()));
        device_line(
            found,
            &info.name,
            "Update the GPU's driver, or compute on the CPU with `--device cpu`",
        )
    };
    cards.map(test).collect()
}

#[cfg(not(feature = "gpu"))]
fn gpus() -> Vec<Line> {
    vec![]
}

/// Tests MLX, if it is installed.
fn mlx(environment: &Environment<'_>) -> Option<Line> {
    let library = environment.settings.found_mlx_library()?;
    let found = mlxk_engine::mlx_test(Some(&library));
    Some(device_line(found, "MLX", "Install another version of MLX, or leave `--device mlx` out"))
}

/// Describes the test of a device. `fix` is what helps if it computes wrong values.
fn device_line(found: Result<DeviceTest, EngineError>, name: &str, fix: &str) -> Line {
    let DeviceTest { name, compared, differences } = match found {
        Ok(found) => found,
        Err(problem) => {
            return Line::broken(format!("{name} could not be tested: {problem}")).fix(fix);
        }
    };
    let words: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let data = json!({"device": name, "compared": compared, "differences": words});
    let Some(first) = words.first() else {
        return Line::ok(format!("{name} computes correctly: compared {compared} values"))
            .data(data);
    };
    let more = and_more(words.len() - 1);
    Line::broken(format!("{name} computes wrong values: {first}{more}")).fix(fix).data(data)
}

/// Says how many differences follow the first.
fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", and {count} more") }
}

fn line(found: &SelfTest) -> Line {
    let SelfTest { instructions, forms, compared, differences } = found;
    let instructions = instructions.name();
    let words: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let data = json!({
        "instructions": instructions, "forms": forms, "compared": compared, "differences": words,
    });
    let Some(first) = differences.first() else {
        let text = format!(
            "{instructions} kernels are correct: compared {compared} values in {forms} weight formats"
        );
        return Line::ok(text).data(data);
    };
    let more = and_more(differences.len() - 1);
    Line::broken(format!("{instructions} kernels compute wrong values: {first}{more}"))
        .fix("Don't trust this build. Rebuild mlxk, and report the output of `mlxk doctor --json`")
        .data(data)
}

#[cfg(test)]
mod tests {
    use mlxk_bench::Difference;

    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_wrong_kernel_is_broken_and_named() {
        let mut found = SelfTest {
            instructions: InstructionSet::Avx2,
            forms: 24,
            compared: 9,
            differences: Vec::new(),
        };
        assert_eq!(line(&found).level, Level::Ok);
        let difference =
            Difference { kernel: "affine_dot", operand: "4-bit".into(), found: 1.0, expected: 2.0 };
        found.differences = vec![difference.clone(), difference];
        let line = line(&found);
        assert_eq!(line.level, Level::Broken);
        assert!(line.text.contains("affine_dot of 4-bit gives 1e0 instead of 2e0, and 1 more"));
    }
}
