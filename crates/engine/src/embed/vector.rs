//! The last steps from a pooled state to a vector, on the host.

/// Least length by which a vector is divided, as in sentence-transformers.
const LEAST_LENGTH: f32 = 1e-12;
const CENTER_EPS: f32 = 1e-5;

/// Cuts a vector to `dimensions`. If it is centered, its mean becomes 0 and its variance 1 before.
pub(super) fn cut(vector: &mut Vec<f32>, dimensions: usize, centers: bool) {
    if dimensions >= vector.len() {
        return;
    }
    if centers {
        let count = vector.len() as f32;
        let mean = vector.iter().sum::<f32>() / count;
        let variance = vector.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
        let factor = 1.0 / (variance + CENTER_EPS).sqrt();
        for x in vector.iter_mut() {
            *x = (*x - mean) * factor;
        }
    }
    vector.truncate(dimensions);
}

/// Divides a vector by its length.
pub fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
    let length = length.max(LEAST_LENGTH);
    for x in vector {
        *x /= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_cut_and_have_length_one() {
        let mut vector = vec![3.0, 4.0, 12.0];
        cut(&mut vector, 2, false);
        normalize(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut zero = vec![0.0; 3];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 3]);
    }

    #[test]
    fn centered_vectors_have_no_mean_before_they_are_cut() {
        let mut vector = vec![1.0, 3.0];
        cut(&mut vector, 2, true);
        assert_eq!(vector, [1.0, 3.0], "nothing is cut");
        cut(&mut vector, 1, true);
        assert!((vector[0] + 1.0).abs() < 1e-4);
    }
}
