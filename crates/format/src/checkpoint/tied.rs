//! Finds an output matrix that is the embedding once more. Tools that quantize write it apart, in another form, although
//! the model has one matrix for both.

use super::Checkpoint;

/// Number of rows to compare.
const ROWS: usize = 16;
/// Mean cosine of the rows of both matrices above which one is a copy of the other, whatever quantization has changed.
/// Matrices that were trained apart are far below.
const ALIKE: f64 = 0.9;

impl Checkpoint {
    /// Returns the number of parameters of the output matrix if it is a copy of the embedding, otherwise 0. Reads a few
    /// rows of both.
    pub(super) fn copied_parameters(&self) -> u64 {
        self.copied().unwrap_or(0)
    }

    fn copied(&self) -> Option<u64> {
        let path = |end: &str| {
            let weight = self.names().find(|name| name.ends_with(end))?;
            weight.strip_suffix(".weight").map(str::to_owned)
        };
        let (embedding, output) = (path("embed_tokens.weight")?, path("lm_head.weight")?);
        let text = |key: &str| self.config()["text_config"][key].as_u64();
        let cols = self.config()["hidden_size"].as_u64().or_else(|| text("hidden_size"))?;
        let cols = usize::try_from(cols).ok().filter(|&cols| cols > 0)?;
        let rows = *self.entry(&format!("{output}.weight")).ok()?.shape.first()?;
        let [embedding, output] =
            [embedding, output].map(|path| self.weight(&path, rows, cols).ok());
        let (embedding, output) = (embedding?, output?);
        let (mut a, mut b) = (vec![0.0; cols], vec![0.0; cols]);
        let step = (rows / ROWS).max(1);
        let cosines = (0..rows).step_by(step).filter_map(|row| {
            embedding.dequantize_row(0, row, &mut a);
            output.dequantize_row(0, row, &mut b);
            cosine(&a, &b)
        });
        let cosines: Vec<f64> = cosines.collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        (mean > ALIKE).then_some(rows as u64 * cols as u64)
    }
}

/// Returns the cosine of two rows, or `None` if one of them is 0, as those of unused tokens may be.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let norms = (product(a, a) * product(b, b)).sqrt();
    (norms > 0.0).then(|| product(a, b) / norms)
}
