//! Tokens that MLX chooses, so that the next step can begin before they are known.

use mlxk_ops::{Act, Batch, Choice, Ranked, Result};

use crate::array::Array;
use crate::device::Mlx;
use crate::functions::Type;

/// Choices that are kept: one that is waited for, one that a step begins with, and one that it ends with.
const KEPT: usize = 4;

/// Tokens of the rows of a step.
pub(crate) struct Chosen {
    number: Choice,
    /// `[rows, 1]`
    columns: Array,
    /// `[rows, 1]` values of the columns.
    best: Array,
}

/// Begins to choose the best column of each row. See [`mlxk_ops::Compute::choose`].
pub(crate) fn choose(mlx: &mut Mlx, x: Act, width: usize) -> Choice {
    let (graph, values) = (&*mlx.graph, mlx.get(x));
    let rows = mlx.shape(x)[0];
    let values = graph.reshape(&values, &[rows, width]);
    let columns = graph.cast(&graph.argmax(&values, -1), Type::U32);
    let best = graph.cast(&graph.max(&values, -1), Type::F32);
    let all = [&[columns.clone(), best.clone()], &*mlx.take_changed()].concat();
    mlx.graph.begin(&all);
    let choice = Choice(mlx.choices_made);
    mlx.choices_made = mlx.choices_made.wrapping_add(1);
    mlx.choices.push(Chosen { number: choice, columns, best });
    if mlx.choices.len() > KEPT {
        mlx.choices.remove(0);
    }
    choice
}

/// Waits for a choice. See [`mlxk_ops::Compute::chosen`].
pub(crate) fn chosen(mlx: &Mlx, choice: Choice) -> Result<Vec<Ranked>> {
    let Chosen { columns, best, .. } = of(mlx, choice);
    let columns = mlx.graph.read(columns, |bytes| words(bytes).map(u32::from_ne_bytes).collect());
    let best = mlx.graph.read(best, |bytes| words(bytes).map(f32::from_ne_bytes).collect());
    mlx.check()?;
    let (columns, best): (Vec<u32>, Vec<f32>) =
        (columns.unwrap_or_default(), best.unwrap_or_default());
    let pairs = columns.into_iter().zip(best);
    Ok(pairs.map(|(column, value)| Ranked { column, value }).collect())
}

fn of(mlx: &Mlx, choice: Choice) -> &Chosen {
    let known = mlx.choices.iter().find(|known| known.number == choice);
    known.unwrap_or_else(|| panic!("choice {} is not of this device", choice.0))
}

/// Returns the ids of the rows of a step, those that only the device knows included.
pub(crate) fn ids(mlx: &Mlx, ids: &[u32]) -> Array {
    if let Some(choice) = mlx.chosen.filter(|_| ids.contains(&Batch::CHOSEN)) {
        assert!(ids.iter().all(|&id| id == Batch::CHOSEN), "all are chosen");
        let rows = mlx.graph.part(&of(mlx, choice).columns, 0, 0, ids.len());
        return mlx.graph.reshape(&rows, &[ids.len()]);
    }
    mlx.graph.of_u32(ids, &[ids.len()])
}

pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.as_chunks::<4>().0.iter().copied()
}
