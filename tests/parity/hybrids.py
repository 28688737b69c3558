"""The cases of recurrent and hybrid families; see `families.py`."""

VOCABULARY = 256

LFM2 = {
    "model_type": "lfm2", "vocab_size": VOCABULARY, "hidden_size": 128, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "norm_eps": 1e-5, "conv_bias": False, "conv_L_cache": 3, "block_dim": 128,
    "block_ff_dim": 288, "block_multiple_of": 64, "block_ffn_dim_multiplier": 1.0,
    "block_auto_adjust_ff_dim": True, "rope_theta": 10000.0, "full_attn_idxs": [1, 3],
}

QWEN35 = {
    "model_type": "qwen3_5_text", "hidden_size": 128, "intermediate_size": 192,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "rms_norm_eps": 1e-5, "vocab_size": VOCABULARY, "max_position_embeddings": 512,
    "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 32,
    "linear_value_head_dim": 40, "linear_conv_kernel_dim": 4, "full_attention_interval": 4,
    "tie_word_embeddings": False,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                        "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1],
                        "mrope_interleaved": True},
}
QWEN35_MOE = dict(
    num_experts=8, num_experts_per_tok=3, moe_intermediate_size=64,
    shared_expert_intermediate_size=128, norm_topk_prob=True)
QWEN3_NEXT = {
    **{k: v for k, v in QWEN35.items() if k != "rope_parameters"}, **QWEN35_MOE,
    "model_type": "qwen3_next", "rope_theta": 10000.0, "partial_rotary_factor": 0.25,
    "decoder_sparse_step": 1, "mlp_only_layers": [1], "full_attention_interval": 2,
    "linear_num_value_heads": 6,
}
LFM2_MOE = {
    "model_type": "lfm2_moe", "vocab_size": VOCABULARY, "hidden_size": 128,
    "intermediate_size": 192, "moe_intermediate_size": 64, "num_hidden_layers": 4,
    "num_experts": 8, "num_experts_per_tok": 3, "norm_topk_prob": True, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "use_expert_bias": True,
    "num_dense_layers": 1, "norm_eps": 1e-5, "conv_bias": False, "conv_L_cache": 3,
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    "layer_types": ["conv", "full_attention", "conv", "full_attention"],
    "routed_scaling_factor": 1.5,
}

MAMBA2 = {
    "model_type": "mamba2", "num_heads": 8, "head_dim": 24, "vocab_size": VOCABULARY,
    "hidden_size": 128, "intermediate_size": 256, "state_size": 32, "num_hidden_layers": 3,
    "layer_norm_epsilon": 1e-4, "conv_kernel": 4, "n_groups": 2, "use_bias": False,
    "use_conv_bias": True, "tie_word_embeddings": False, "time_step_limit": [0.0, 1000.0],
    "time_step_rank": "auto",
}
GRANITE = {
    "model_type": "granitemoehybrid", "vocab_size": VOCABULARY, "hidden_size": 128,
    "intermediate_size": 64, "num_hidden_layers": 4, "max_position_embeddings": 512,
    "num_attention_heads": 4, "num_key_value_heads": 2, "attention_bias": False,
    "embedding_multiplier": 2.0, "attention_multiplier": 0.2, "logits_scaling": 4.0,
    "residual_multiplier": 0.6, "layer_types": ["mamba", "attention", "mamba", "mamba"],
    "rms_norm_eps": 1e-5, "num_local_experts": 6, "num_experts_per_tok": 2,
    "shared_intermediate_size": 128, "mamba_n_heads": 8, "mamba_d_head": 32,
    "mamba_proj_bias": False, "mamba_d_state": 32, "mamba_d_conv": 4, "mamba_n_groups": 1,
    "mamba_conv_bias": True, "position_embedding_type": "nope", "tie_word_embeddings": True,
}
FALCON = {
    "model_type": "falcon_h1", "vocab_size": VOCABULARY, "hidden_size": 128, "head_dim": 32,
    "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "mamba_d_conv": 4, "mamba_d_head": 32, "mamba_d_ssm": 192,
    "mamba_d_state": 16, "mamba_n_groups": 1, "mamba_n_heads": 6, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "max_position_embeddings": 512, "embedding_multiplier": 2.0,
    "lm_head_multiplier": 0.5, "mamba_rms_norm": False, "mamba_norm_before_gate": False,
    "tie_word_embeddings": True, "mamba_conv_bias": True,
}
NEMOTRON = {
    "model_type": "nemotron_h", "vocab_size": VOCABULARY, "hidden_size": 128,
    "intermediate_size": 192, "max_position_embeddings": 512, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 48, "attention_bias": False, "mamba_num_heads": 8,
    "mamba_head_dim": 32, "mamba_proj_bias": False, "ssm_state_size": 32, "conv_kernel": 4,
    "n_groups": 2, "mlp_bias": False, "layer_norm_epsilon": 1e-5, "use_bias": False,
    "use_conv_bias": True, "hybrid_override_pattern": "M*-M", "num_hidden_layers": 4,
    "tie_word_embeddings": False,
}
NEMOTRON_MOE = {
    **NEMOTRON, "hybrid_override_pattern": "ME*EM", "num_hidden_layers": 5,
    "moe_intermediate_size": 64, "moe_shared_expert_intermediate_size": 128, "n_group": 1,
    "n_routed_experts": 8, "n_shared_experts": 1, "topk_group": 1, "num_experts_per_tok": 3,
    "norm_topk_prob": True, "routed_scaling_factor": 1.5,
}

CONFIGS = {
    "lfm2-plain": LFM2,
    "lfm2-bias": {**LFM2, "conv_bias": True, "conv_L_cache": 5, "full_attn_idxs": None,
                  "layer_types": ["full_attention", "conv", "conv", "conv"],
                  "block_auto_adjust_ff_dim": False, "block_ff_dim": 192},
    "lfm2-vl-wrapper": {"model_type": "lfm2-vl", "text_config": LFM2},
    "lfm2_moe-plain": LFM2_MOE,
    "lfm2_moe-raw": {**LFM2_MOE, "norm_topk_prob": False, "use_expert_bias": False,
                     "routed_scaling_factor": 1.0, "num_dense_layers": 2},
    "qwen3_5-wrapper": {"model_type": "qwen3_5", "text_config": QWEN35},
    "qwen3_5-tied": {**QWEN35, "model_type": "qwen3_5", "tie_word_embeddings": True,
                     "attention_bias": True, "linear_value_head_dim": 16,
                     "full_attention_interval": 3},
    "qwen3_next-plain": QWEN3_NEXT,
    "qwen3_next-raw": {**QWEN3_NEXT, "norm_topk_prob": False, "decoder_sparse_step": 2,
                       "mlp_only_layers": [], "tie_word_embeddings": True},
    "qwen3_5_moe-wrapper": {"model_type": "qwen3_5_moe",
                            "text_config": {**QWEN35, **QWEN35_MOE, "model_type": "qwen3_5_moe_text"}},
    "mamba2-plain": MAMBA2,
    "mamba2-tied": {**MAMBA2, "use_bias": True, "use_conv_bias": False, "tie_word_embeddings": True,
                    "head_dim": 32, "time_step_limit": [0.05, 0.5], "n_groups": 1},
    "granitemoehybrid-plain": GRANITE,
    "granitemoehybrid-dense": {
        **GRANITE, "num_local_experts": 0, "intermediate_size": 192, "attention_bias": True,
        "position_embedding_type": "rope", "rope_theta": 10000.0, "mamba_proj_bias": True,
        "mlp_bias": True, "tie_word_embeddings": False, "mamba_n_groups": 2},
    "falcon_h1-plain": FALCON,
    "falcon_h1-norm": {**FALCON, "mamba_rms_norm": True, "mamba_norm_before_gate": True,
                       "mamba_proj_bias": True, "attention_bias": True, "mamba_conv_bias": False,
                       "projectors_bias": True, "mlp_bias": True, "tie_word_embeddings": False},
    "falcon_h1-after": {**FALCON, "mamba_rms_norm": True, "mamba_n_groups": 2},
    "nemotron_h-plain": NEMOTRON,
    "nemotron_h-experts": NEMOTRON_MOE,
    "nemotron_h-latent": {
        **NEMOTRON_MOE, "moe_latent_size": 64, "n_group": 4, "topk_group": 2, "mlp_bias": True,
        "time_step_limit": [0.01, 1.0], "n_groups": 1, "hybrid_override_pattern": None,
        "layers_block_type": ["mamba", "moe", "attention", "moe"], "num_hidden_layers": None},
}
for _case in ("lfm2-bias", "nemotron_h-latent"):
    CONFIGS[_case] = {key: value for key, value in CONFIGS[_case].items() if value is not None}

CASES = {
    "lfm2-plain": ["f32", "affine4g64", "mxfp4"],
    "lfm2-bias": ["bf16"],
    "lfm2-vl-wrapper": ["affine8g64"],
    "lfm2_moe-plain": ["f32", "affine4g64", "nvfp4"],
    "lfm2_moe-raw": ["bf16"],
    "qwen3_5-wrapper": ["bf16", "affine4g64", "mxfp8"],
    "qwen3_5-tied": ["f32"],
    "qwen3_next-plain": ["f32", "affine4g64", "mxfp4"],
    "qwen3_next-raw": ["bf16"],
    "qwen3_5_moe-wrapper": ["f32", "affine4g64", "affine6g64"],
    "mamba2-plain": ["f32", "affine4g64", "mxfp8"],
    "mamba2-tied": ["bf16"],
    "granitemoehybrid-plain": ["f32", "affine4g64", "nvfp4global"],
    "granitemoehybrid-dense": ["f16"],
    "falcon_h1-plain": ["bf16", "affine4g64", "affine8g64"],
    "falcon_h1-norm": ["f32"],
    "falcon_h1-after": ["f32"],
    "nemotron_h-plain": ["f32", "affine4g64", "mxfp4"],
    "nemotron_h-experts": ["f32", "affine4g64"],
    "nemotron_h-latent": ["bf16"],
}


def attention_layers(config):
    """Return the number of layers that compute attention, which is all of them in most families."""
    config = config.get("text_config", config)
    kind = config["model_type"]
    if kind == "mamba2":
        return 0
    if kind == "granitemoehybrid":
        return config["layer_types"].count("attention")
    if kind == "nemotron_h":
        return 1
    layers = config["num_hidden_layers"]
    if "linear_num_value_heads" in config:
        return layers // config["full_attention_interval"]
    if "conv_L_cache" in config:
        named = [kind for kind in config.get("layer_types", []) if kind == "full_attention"]
        return len(config.get("full_attn_idxs", named))
    return layers


ATTENTIONS = {case: attention_layers(config) for case, config in CONFIGS.items()}
