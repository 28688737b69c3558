//! Weights that move from small pages of a file to huge ones while the model is at work.

use std::collections::VecDeque;

use mlxk_memory::{SmallPages, move_to_huge_pages};

use crate::device::{Cpu, Matrix};

/// Matrices are moved together until they take so many bytes.
const PIECE: u64 = 16 << 20;

/// The matrices that are still to be moved; unknown before the first call.
#[derive(Default)]
pub(crate) struct Moving(Option<VecDeque<usize>>);

impl Cpu {
    /// See [`mlxk_ops::Weights::migrate_weights`].
    pub(crate) fn move_piece(&mut self, room: u64) -> bool {
        let Self { moving: Moving(waiting), matrices, .. } = self;
        let waiting = waiting.get_or_insert_with(|| find(matrices, room));
        let (mut bytes, mut parts) = (0, Vec::new());
        let mut rest = matrices.iter_mut().enumerate();
        while bytes < PIECE {
            let Some(index) = waiting.pop_front() else { break };
            let Some((_, matrix)) = rest.find(|&(i, _)| i == index) else { break };
            bytes += matrix.tensor.size_bytes() as u64;
            parts.extend(matrix.tensor.bytes_mut());
        }
        if bytes > room || move_to_huge_pages(&mut parts).is_err() {
            waiting.clear();
        }
        !waiting.is_empty()
    }
}

/// The matrices that lie in small pages, in order; none where there is no room for them all.
fn find(matrices: &mut [Matrix], room: u64) -> VecDeque<usize> {
    let small = SmallPages::find();
    let mut bytes = 0;
    let mut found = VecDeque::new();
    for (index, Matrix { tensor, .. }) in matrices.iter_mut().enumerate() {
        if tensor.bytes_mut().iter().all(|part| small.hold(part)) {
            bytes += tensor.size_bytes() as u64;
            found.push_back(index);
        }
    }
    if bytes > room { VecDeque::new() } else { found }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use mlxk_memory::{Bytes, map_file};
    use mlxk_ops::{Batch, Compute, Weight, Weights};
    use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

    use super::*;
    use crate::CpuOptions;

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
        let before = products(&mut cpu, table, weight);

        let addresses = |cpu: &mut Cpu| {
            let matrices = cpu.matrices.iter_mut();
            matrices.map(|it| it.tensor.bytes_mut()[0].as_ptr().addr()).collect::<Vec<_>>()
        };
        let first = addresses(&mut cpu);
        let can = SmallPages::find().hold(&map);
        assert!(!cpu.move_piece(2 * half as u64 - 1), "room for half of it");
        assert_eq!(addresses(&mut cpu), first);
        cpu.moving = Moving::default();
        assert!(!cpu.move_piece(2 * half as u64));
        let then = addresses(&mut cpu);
        assert_eq!([0, 1, 2].map(|i| then[i] != first[i]), [can, false, can]);
        assert_eq!(products(&mut cpu, table, weight), before);
    }
}
