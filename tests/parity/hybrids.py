"""The cases of recurrent and hybrid families, and of others whose layers differ in kind; see `families.py`."""

from families import VOCABULARY, WINDOW

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
# Packs only run in 2 bits with groups of 128, and with blocks of at least 512 columns.
PRISM_TEXT = {
    **QWEN35, "hidden_size": 512, "intermediate_size": 1024, "head_dim": 128, "linear_value_head_dim": 128,
    "num_hidden_layers": 3, "full_attention_interval": 3}
PRISM_BLOCKS = {
    "in_proj_qkv": 512, "in_proj_z": 512, "in_proj_a": 0, "out_proj": 512, "q_proj": 512, "k_proj": 512,
    "v_proj": 512, "o_proj": 512, "gate_proj": 512, "up_proj": 512, "down_proj": 1024,
}


def prism(text, schema):
    """Return the configuration of a pack. `in_proj_b` stays as it is."""
    def module(path, block, embedding=False):
        return {"path": path, "block": block, "embedding": embedding, "dtype": "float16"}

    modules = [module("model.embed_tokens", 512, True)]
    for layer in range(text["num_hidden_layers"]):
        is_attention = (layer + 1) % text["full_attention_interval"] == 0
        for name, block in PRISM_BLOCKS.items():
            if name in ("gate_proj", "up_proj", "down_proj"):
                modules.append(module(f"model.layers.{layer}.mlp.{name}", block))
            elif name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                modules += [module(f"model.layers.{layer}.self_attn.{name}", block)] if is_attention else []
            elif not is_attention:
                modules.append(module(f"model.layers.{layer}.linear_attn.{name}", block))
    if not text["tie_word_embeddings"]:
        modules.append(module("lm_head", 512))
    return {
        "model_type": "prism_hadamard_qwen35", "schema_version": schema,
        "tensor_namespace": {1: "mlx-lm-text", 2: "mlx-vlm-qwen3_5"}[schema], "gdn_activation_layout": "grouped",
        "quantization": {"bits": 2, "group_size": 128, "mode": "affine"}, "text_config": text, "modules": modules,
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

MAMBA = {
    "model_type": "mamba", "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 200,
    "state_size": 12, "num_hidden_layers": 3, "conv_kernel": 4, "use_bias": False,
    "use_conv_bias": True, "time_step_rank": "auto", "tie_word_embeddings": False,
}
JAMBA = {
    "model_type": "jamba", "hidden_size": 128, "intermediate_size": 64, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "attn_layer_offset": 1,
    "attn_layer_period": 3, "expert_layer_offset": 1, "expert_layer_period": 2, "mamba_d_conv": 4,
    "mamba_d_state": 16, "mamba_expand": 2, "num_experts": 6, "num_experts_per_tok": 2,
    "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "vocab_size": VOCABULARY,
    "mamba_dt_rank": 64, "tie_word_embeddings": False,
}
PLAMO2 = {
    "model_type": "plamo2", "hidden_size": 128, "num_hidden_layers": 4, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True, "num_attention_heads": 4, "num_key_value_heads": 2,
    "hidden_size_per_head": 32, "max_position_embeddings": 512, "mamba_d_state": 16,
    "mamba_d_conv": 4, "mamba_num_heads": 6, "mamba_step": 2, "intermediate_size": 192,
    "vocab_size": VOCABULARY,
}
OLMO_HYBRID = {
    **{k: v for k, v in QWEN35.items() if k != "rope_parameters"}, "model_type": "olmo_hybrid",
    "linear_allow_neg_eigval": True, "attention_bias": False, "rope_theta": 10000.0,
    "linear_num_value_heads": 2,
}
LING_LINEAR = {
    "model_type": "bailing_moe_linear", "hidden_size": 128, "intermediate_size": 192,
    "max_position_embeddings": 512, "moe_intermediate_size": 64, "num_experts": 8,
    "num_shared_experts": 1, "norm_topk_prob": True, "num_attention_heads": 4,
    "num_experts_per_tok": 3, "num_hidden_layers": 5, "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "vocab_size": VOCABULARY,
    "first_k_dense_replace": 1, "layer_group_size": 3, "group_norm_size": 4,
    "use_qk_norm": True, "partial_rotary_factor": 0.5, "score_function": "sigmoid",
    "moe_router_enable_expert_bias": True, "n_group": 4, "topk_group": 2, "head_dim": 32,
    "routed_scaling_factor": 2.0, "tie_word_embeddings": False,
}
LING_HYBRID = {
    **LING_LINEAR, "model_type": "bailing_hybrid", "head_dim": 32, "kv_lora_rank": 64,
    "q_lora_rank": 64, "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32,
    "moe_shared_expert_intermediate_size": 128,
}
LING3 = {
    "model_type": "bailing_moe_v3", "vocab_size": VOCABULARY, "hidden_size": 128,
    "intermediate_size": 192, "moe_intermediate_size": 64,
    "moe_shared_expert_intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_experts": 8, "num_experts_per_tok": 3, "num_shared_experts": 1,
    "first_k_dense_replace": 1, "n_group": 4, "topk_group": 2, "routed_scaling_factor": 2.5,
    "layer_group_size": 2, "head_dim": 32, "q_lora_rank": 64, "kv_lora_rank": 64,
    "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "max_position_embeddings": 512,
}
KIMI_LINEAR = {
    "model_type": "kimi_linear", "vocab_size": VOCABULARY, "hidden_size": 128,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
    "intermediate_size": 192, "head_dim": 32, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
    "linear_attn_config": {"kda_layers": [1, 2, 4], "full_attn_layers": [3], "num_heads": 4,
                           "head_dim": 32, "short_conv_kernel_size": 4},
    "model_max_length": 512, "num_experts": 8, "moe_intermediate_size": 64, "kv_lora_rank": 64,
    "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 24, "num_experts_per_token": 3,
    "num_shared_experts": 1, "routed_scaling_factor": 1.5, "first_k_dense_replace": 1,
    "num_expert_group": 4, "topk_group": 2,
}
GRIFFIN = {
    "model_type": "recurrent_gemma", "attention_bias": False, "conv1d_width": 4,
    "hidden_size": 128, "intermediate_size": 384, "logits_soft_cap": 30.0,
    "num_attention_heads": 4, "num_hidden_layers": 4, "num_key_value_heads": 1,
    "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "attention_window_size": 40,
    "vocab_size": VOCABULARY, "block_types": ["recurrent", "recurrent", "attention"],
}
RWKV7 = {
    "model_type": "rwkv7", "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 256,
    "norm_eps": 1e-5, "head_dim": 32, "num_hidden_layers": 3, "a_low_rank_dim": 64,
    "v_low_rank_dim": 64, "gate_low_rank_dim": 64, "decay_low_rank_dim": 64,
    "tie_word_embeddings": False,
}

BAICHUAN_M1 = {
    "model_type": "baichuan_m1", "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 192,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 10000.0,
    "sliding_window": WINDOW, "sliding_window_layers": [1], "conv_window": 2, "rms_norm_eps": 1e-5,
    "num_swa_attention_heads": 8, "num_swa_key_value_heads": 4, "max_position_embeddings": 512,
}
AFM7 = {
    "model_type": "afm7", "vocab_size": VOCABULARY, "hidden_dim": 128, "num_layers": 4, "num_kv_reuse_layers": 2,
    "num_heads": 4, "num_kv_heads": 2, "hidden_dim_scale_factor": 1.505, "rope_theta": 10000.0,
}
PHI3_SMALL = {
    "model_type": "phi3small", "vocab_size": VOCABULARY, "hidden_size": 128, "dense_attention_every_n_layers": 2,
    "ff_intermediate_size": 192, "gegelu_limit": 1.5, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "layer_norm_epsilon": 1e-5, "blocksparse_block_size": 32,
    "blocksparse_num_local_blocks": 2, "blocksparse_vert_stride": 3, "mup_embedding_multiplier": 2.0,
    "mup_attn_multiplier": 6.0, "rope_embedding_base": 10000.0,
}
GEAR = {
    "model_type": "gear", "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 192,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 48,
    "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "query_pre_attn_scalar": 24, "sliding_window": WINDOW,
    "layer_types": ["conv_mixer", "sliding_attention", "conv_mixer", "full_attention"], "rope_theta": 100000.0,
}

CONFIGS = {
    "afm7-plain": AFM7,
    "afm7-default": {**{k: v for k, v in AFM7.items() if k != "rope_theta"}, "num_kv_reuse_layers": 1, "num_layers": 3},
    "phi3small-plain": PHI3_SMALL,
    "phi3small-unscaled": {**PHI3_SMALL, "mup_use_scaling": False, "mup_width_multiplier": 0, "rope_position_scale": 0.5,
                           "dense_attention_every_n_layers": 1, "num_hidden_layers": 2, "mup_embedding_multiplier": 0},
    "baichuan_m1-plain": BAICHUAN_M1,
    "baichuan_m1-heads": {**BAICHUAN_M1, "sliding_window_layers": [2, 0], "num_swa_attention_heads": None,
                          "num_swa_key_value_heads": None},
    "gear-plain": GEAR,
    "gear-bias": {**GEAR, "attention_bias": True, "conv_L_cache": 5, "tie_word_embeddings": False,
                  "hidden_activation": "silu", "rope_local_base_freq": 5000.0, "query_pre_attn_scalar": None,
                  "final_logit_softcapping": 5.0, "attn_logit_softcapping": 8.0, "num_key_value_heads": None,
                  "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    "mamba-plain": MAMBA,
    "mamba-tied": {**MAMBA, "tie_word_embeddings": True, "use_bias": True, "use_conv_bias": False,
                   "time_step_rank": 24, "use_bcdt_rms": True},
    "falcon_mamba-plain": {**MAMBA, "model_type": "falcon_mamba", "intermediate_size": 256,
                           "mixer_rms_eps": 1e-5},
    "jamba-plain": JAMBA,
    "jamba-dense": {**JAMBA, "num_experts": 1, "mamba_dt_rank": "auto", "mamba_proj_bias": True,
                    "tie_word_embeddings": True,
                    "layers_block_type": ["mamba", "mamba", "attention", "mamba"]},
    "plamo2-plain": PLAMO2,
    "plamo2-untied": {**PLAMO2, "tie_word_embeddings": False, "mamba_step": 3},
    "olmo_hybrid-plain": OLMO_HYBRID,
    "olmo_hybrid-nope": {**OLMO_HYBRID, "rope_parameters": {"rope_theta": None},
                         "linear_allow_neg_eigval": False, "tie_word_embeddings": True,
                         "layer_types": ["linear_attention", "full_attention"] * 2},
    "bailing_moe_linear-plain": LING_LINEAR,
    "bailing_moe_linear-softmax": {
        **LING_LINEAR, "score_function": "softmax", "moe_router_enable_expert_bias": False,
        "n_group": 1, "num_attention_heads": 6, "hidden_size": 192, "use_qkv_bias": True,
        "use_qk_norm": False, "tie_word_embeddings": True, "rope_traditional": True},
    "bailing_hybrid-plain": LING_HYBRID,
    "bailing_hybrid-bias": {
        **LING_HYBRID, "q_lora_rank": None, "use_qkv_bias": True, "use_bias": False,
        "moe_shared_expert_intermediate_size": None, "rope_interleave": False},
    "bailing_moe_v3-plain": LING3,
    "kimi_linear-plain": KIMI_LINEAR,
    "kimi_linear-dense": {**KIMI_LINEAR, "num_experts": 0, "tie_word_embeddings": True},
    "recurrent_gemma-plain": GRIFFIN,
    "recurrent_gemma-uncapped": {**GRIFFIN, "logits_soft_cap": 0.0, "embeddings_scale_by_sqrt_dim": False,
                                 "_block_types": ["attention", "recurrent"], "block_types": None},
    "rwkv7-plain": RWKV7,
    "rwkv7-tied": {**RWKV7, "tie_word_embeddings": True, "head_dim": 64},
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
    "prism_hadamard_qwen35-plain": prism(PRISM_TEXT, 2),
    "prism_hadamard_qwen35-tied": prism(
        {**PRISM_TEXT, "tie_word_embeddings": True, "num_hidden_layers": 2, "full_attention_interval": 2}, 1),
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
for _case in ("baichuan_m1-heads", "lfm2-bias", "nemotron_h-latent", "bailing_hybrid-bias", "recurrent_gemma-uncapped"):
    CONFIGS[_case] = {key: value for key, value in CONFIGS[_case].items() if value is not None}

CASES = {
    "afm7-plain": ["f32", "bf16", "affine4g64"],
    "afm7-default": ["f16"],
    "phi3small-plain": ["f32", "affine4g64", "mxfp4"],
    "phi3small-unscaled": ["bf16"],
    "baichuan_m1-plain": ["f32", "affine4g64", "mxfp8"],
    "baichuan_m1-heads": ["bf16"],
    "gear-plain": ["f32", "affine4g64", "mxfp4"],
    "gear-bias": ["bf16"],
    "mamba-plain": ["f32", "affine4g64"],
    "mamba-tied": ["bf16"],
    "falcon_mamba-plain": ["f32", "mxfp4"],
    "jamba-plain": ["f32", "affine4g64", "mxfp8"],
    "jamba-dense": ["bf16"],
    "plamo2-plain": ["f32", "affine4g64"],
    "plamo2-untied": ["bf16"],
    "olmo_hybrid-plain": ["f32", "affine4g64", "nvfp4"],
    "olmo_hybrid-nope": ["bf16"],
    "bailing_moe_linear-plain": ["f32", "affine4g64", "mxfp4"],
    "bailing_moe_linear-softmax": ["bf16"],
    "bailing_hybrid-plain": ["f32", "affine4g64"],
    "bailing_hybrid-bias": ["bf16"],
    "bailing_moe_v3-plain": ["f32", "affine4g64", "mxfp4"],
    "kimi_linear-plain": ["f32", "affine4g64", "mxfp8"],
    "kimi_linear-dense": ["bf16"],
    "recurrent_gemma-plain": ["f32", "affine4g64"],
    "recurrent_gemma-uncapped": ["bf16"],
    "rwkv7-plain": ["f32", "affine4g64"],
    "rwkv7-tied": ["bf16"],
    "lfm2-plain": ["f32", "affine4g64", "mxfp4"],
    "lfm2-bias": ["bf16"],
    "lfm2-vl-wrapper": ["affine8g64"],
    "lfm2_moe-plain": ["f32", "affine4g64", "nvfp4"],
    "lfm2_moe-raw": ["bf16"],
    "qwen3_5-wrapper": ["bf16", "affine4g64", "mxfp8"],
    "qwen3_5-tied": ["f32"],
    # What the pack leaves is dense, or in 2 bits, too.
    "prism_hadamard_qwen35-plain": ["f32", "affine2g128"],
    "prism_hadamard_qwen35-tied": ["f16"],
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
    if kind in ("mamba", "falcon_mamba", "mamba2", "rwkv7"):
        return 0
    if kind == "afm7":
        return config["num_layers"]
    if kind == "gear":
        return sum(kind != "conv_mixer" for kind in config["layer_types"])
    if kind == "plamo2":
        step = config["mamba_step"]
        return sum(i % step == step // 2 for i in range(config["num_hidden_layers"]))
    if kind == "jamba":
        period, offset = config["attn_layer_period"], config["attn_layer_offset"]
        default = ["attention" if i % period == offset else "mamba" for i in range(config["num_hidden_layers"])]
        return config.get("layers_block_type", default).count("attention")
    if kind == "olmo_hybrid" and "layer_types" in config:
        return config["layer_types"].count("full_attention")
    if kind == "kimi_linear":
        return config["num_hidden_layers"] - len(config["linear_attn_config"]["kda_layers"])
    if kind == "recurrent_gemma":
        kinds = config.get("block_types") or config["_block_types"]
        return sum(kinds[i % len(kinds)] == "attention" for i in range(config["num_hidden_layers"]))
    if "layer_group_size" in config:
        layers, group = config["num_hidden_layers"], config["layer_group_size"]
        return sum((i + 1) % group == 0 or i >= layers // group * group for i in range(layers))
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
