// Rows of x that are whole blocks.
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn values(at: u32, col: u32) -> vec4<f32> { return x[at / 4u]; }

