//! xIELU (Huang and Schlag, 2024, arXiv:2411.13010), an activation with learned parameters.

use mlxk_ops::Activation;

use crate::error::ModelError;
use crate::loader::Loader;

/// Loads the parameters of the module `path`. The files have the slopes before their softplus.
pub(super) fn load(loader: &mut Loader<'_>, path: &str) -> Result<Activation, ModelError> {
    let mut number = |name: &str| loader.number(&format!("{path}.{name}"));
    let (positive, negative) = (number("alpha_p")?, number("alpha_n")?);
    let (beta, eps) = (number("beta")?, number("eps")?);
    Ok(Activation::Xielu {
        positive: softplus(positive),
        negative: beta + softplus(negative),
        beta,
        eps,
    })
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
