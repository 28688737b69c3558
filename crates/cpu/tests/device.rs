//! The device through its public face.

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_ops::{Batch, Compute, Ranked, Weights};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

/// A dense table of `cols` columns.
fn table(values: &[f32], cols: usize) -> QuantTensor {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let storage = Storage::Dense(Dense { dtype: Dtype::F32, data: data.into() });
    QuantTensor { name: "table".to_owned(), experts: 1, rows: values.len() / cols, cols, storage }
}

#[test]
fn numbers_become_multiples_of_a_step() {
    let mut cpu = Cpu::new(CpuOptions { threads: Some(1), ..CpuOptions::default() }).unwrap();
    cpu.begin(&Batch::default()).unwrap();
    let x = cpu.act(2, 4);
    cpu.write(x, &[0.25, 0.75, -0.25, -1.25, 0.76, -0.74, 100.0, -100.0]).unwrap();
    cpu.snap(x, 0.5);
    assert_eq!(cpu.read(x).unwrap(), [0.0, 1.0, -0.0, -1.0, 1.0, -0.5, 63.5, -64.0]);
}

#[test]
fn the_largest_values_are_those_that_a_read_finds() {
    let mut cpu = Cpu::new(CpuOptions { threads: Some(1), ..CpuOptions::default() }).unwrap();
    let weight = cpu.load(table(&[0.5, -1.0, 4.0, 4.0, 9.0, 2.0, 1.0, 3.0], 4), None).unwrap();
    cpu.begin(&Batch::default()).unwrap();
    let x = cpu.act(3, 4);
    cpu.embed(x, weight, &[1, 0, 1], 1.0);
    assert_eq!(cpu.argmax(x, 4).unwrap(), [0, 2, 0]);
    let best = cpu.top(x, 4, 2).unwrap();
    assert_eq!(best[..2], [Ranked { column: 0, value: 9.0 }, Ranked { column: 3, value: 3.0 }]);
    assert_eq!(best[2..4], [Ranked { column: 2, value: 4.0 }, Ranked { column: 3, value: 4.0 }]);
}
