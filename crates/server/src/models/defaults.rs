//! What holds where a request is silent: what the model's name says, then the server.

use mlxk_engine::Request;
use mlxk_hub::Overrides;

/// Fills in what `request` leaves open.
pub(super) fn fill(request: &mut Request, overrides: &Overrides, max_tokens: Option<usize>) {
    let parameters = &overrides.parameters;
    let sampling = &mut request.sampling;
    sampling.temperature = sampling.temperature.or(parameters.temperature);
    sampling.top_k = sampling.top_k.or(parameters.top_k);
    sampling.top_p = sampling.top_p.or(parameters.top_p);
    sampling.min_p = sampling.min_p.or(parameters.min_p);
    sampling.repetition_penalty = sampling.repetition_penalty.or(parameters.repetition_penalty);
    let last_n = parameters.repeat_last_n.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    sampling.repeat_last_n = sampling.repeat_last_n.or(last_n);
    sampling.seed = sampling.seed.or(parameters.seed);
    request.max_tokens = request.max_tokens.or(parameters.max_tokens).or(max_tokens);
    request.context = request.context.or(parameters.ctx);
    if request.stop.is_empty() {
        request.stop.clone_from(&parameters.stop);
    }
}
