//! Matrices whose rows are divided by their lengths when they are loaded or converted.

/// Returns the number by which a row is divided: its length plus `eps`. The squares are summed in f64.
pub fn unit_row_divisor(row: &[f32], eps: f32) -> f32 {
    let square: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
    square.sqrt() as f32 + eps
}
