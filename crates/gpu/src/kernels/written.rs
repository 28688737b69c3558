//! Declarations that the written kernels of products share.

use std::fmt::Write;

/// Returns the constants of a kernel with their values.
pub(super) fn constants(names: &[&str], values: &[u32]) -> String {
    let mut text = String::new();
    for (name, value) in names.iter().zip(values) {
        writeln!(text, "const {name} = {value}u;").expect("a string");
    }
    text
}

/// Returns the parameters of a product with matrices that share `x`. `second` declares the one after the number of rows.
pub(super) fn parameters(second: &str, matrices: u32) -> String {
    let mut text = format!(
        "struct M {{\n  outs: u32,\n  groups: u32,\n  scales: u32,\n  row_biases: u32,\n}}\n\
         struct P {{\n  rows: u32,\n  {second},\n  a: f32,\n  b: f32,\n  c: f32,\n  d: f32,\n"
    );
    for matrix in 0..matrices {
        writeln!(text, "  m{matrix}: M,").expect("a string");
    }
    text + "}\nvar<immediate> p: P;\n"
}

/// Declarations of the buffers of a kernel, in the order in which they are bound.
#[derive(Default)]
pub(super) struct Bindings {
    pub(super) text: String,
    count: u32,
}

impl Bindings {
    /// Declares the next buffer. `access` is that of WGSL.
    pub(super) fn add(&mut self, access: &str, name: &str, item: &str) {
        let binding = self.count;
        self.count += 1;
        writeln!(
            self.text,
            "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{item}>;"
        )
        .expect("a string");
    }

    /// Declares the words of each matrix as `item`s, and the same buffer for its scales.
    pub(super) fn add_matrices(&mut self, matrices: u32, item: &str) {
        for matrix in 0..matrices {
            self.add("read", &format!("w{matrix}"), item);
            self.add("read", &format!("s{matrix}"), "u32");
        }
    }
}
