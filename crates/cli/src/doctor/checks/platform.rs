//! Describes the machine.

use mlxk_bench::Machine;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check =
    Check { id: "platform", about: "system, architecture and processor", slow: false, run };

fn run(_: &Environment<'_>) -> Vec<Line> {
    let machine = Machine::look();
    let version = machine.system_version.as_ref().map(|version| format!(", {version}"));
    let usable = (machine.usable_cores != machine.logical_cores)
        .then(|| format!("; this process can use {} of them", machine.usable_cores));
    let text =
        format!("{}{}{}", machine.line(), version.unwrap_or_default(), usable.unwrap_or_default());
    vec![Line::ok(text).data(json!(machine))]
}
