use std::io::Write;

use mlxk_memory::{Bytes, map_file};
use mlxk_ops::{Batch, Compute, Weight, Weights};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use super::*;
use crate::{Cpu, CpuOptions};

const WIDTH: usize = 64;

fn square(name: &str, data: Bytes) -> QuantTensor {
    let storage = Storage::Dense(Dense { dtype: Dtype::F32, data });
    QuantTensor { name: name.to_owned(), experts: 1, rows: WIDTH, cols: WIDTH, storage }
}

/// `table[id] · weightᵀ` for some rows of the table.
fn products(cpu: &mut Cpu, table: Weight, weight: Weight) -> Vec<f32> {
    cpu.begin(&Batch::default()).unwrap();
    let (x, out) = (cpu.act(3, WIDTH), cpu.act(3, WIDTH));
    cpu.embed(x, table, &[0, 7, 63], 1.0);
    cpu.linear(&[out], x, &[weight]);
    cpu.read(out).unwrap().to_vec()
}

#[test]
fn weights_of_a_file_are_moved_where_there_is_room_and_mean_the_same() {
    let content: Vec<u8> =
        (0..2 * WIDTH * WIDTH).flat_map(|i| (i as f32).sin().to_le_bytes()).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content).unwrap();
    let map = map_file(file.path()).unwrap();
    let half = content.len() / 2;
    let mut cpu = Cpu::new(CpuOptions { threads: Some(1), ..CpuOptions::default() }).unwrap();
    let mut load = |name, data| cpu.load(square(name, data), None).unwrap();
    let table = load("table", map.slice(0..half).unwrap());
    load("own", Bytes::from(content[..half].to_vec()));
    let weight = load("weight", map.slice(half..2 * half).unwrap());
    let mut stack = square("stack", map.slice(half..2 * half).unwrap());
    (stack.experts, stack.rows) = (2, WIDTH / 2);
    cpu.load(stack, None).unwrap();
    let before = products(&mut cpu, table, weight);

    let addresses = |cpu: &mut Cpu| {
        let matrices = cpu.weights.matrices_mut().iter_mut();
        matrices.map(|it| it.tensor.bytes_mut()[0].as_ptr().addr()).collect::<Vec<_>>()
    };
    let first = addresses(&mut cpu);
    let can = SmallPages::find().hold(&map);
    assert!(!cpu.migrate_weights(2 * half as u64 - 1), "room for half of it");
    assert_eq!(addresses(&mut cpu), first);
    cpu.migration = Migration::default();
    assert!(!cpu.migrate_weights(2 * half as u64));
    let then = addresses(&mut cpu);
    assert_eq!([0, 1, 2, 3].map(|i| then[i] != first[i]), [can, false, can, false]);
    assert_eq!(products(&mut cpu, table, weight), before);
}
