"""The cases: small configurations of every family, and the modes in which their weights are stored.

A sequence has 160 tokens of prompt and 64 that follow, so it is longer than every WINDOW and ORIGINAL
context below. Widths are multiples of 64 if a group of 64 must divide them.
"""

WINDOW = 20
ORIGINAL = 48
VOCABULARY = 256


def base(model_type, **changes):
    """Return a configuration with the keys of nearly every family, and `changes`."""
    config = {
        "model_type": model_type, "hidden_size": 128, "num_hidden_layers": 3,
        "intermediate_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "vocab_size": VOCABULARY, "rope_theta": 10000.0,
        "max_position_embeddings": 512, "tie_word_embeddings": False,
    }
    config.update(changes)
    return {key: value for key, value in config.items() if value is not None}


def own(model_type, **keys):
    """Return a configuration of a family with keys of its own."""
    return {"model_type": model_type, **keys}


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": ORIGINAL}
YARN = {"rope_type": "yarn", "factor": 4.0, "beta_fast": 8.0, "beta_slow": 0.5,
        "original_max_position_embeddings": ORIGINAL}
MSCALE = {"type": "yarn", "factor": 4.0, "beta_fast": 8, "beta_slow": 0.5, "mscale": 1.0,
          "mscale_all_dim": 0.7, "original_max_position_embeddings": ORIGINAL}


def longrope(original):
    pairs = 16
    return {
        "rope_scaling": {
            "type": "longrope", "original_max_position_embeddings": original,
            "short_factor": [round(1.0 + 0.02 * i, 2) for i in range(pairs)],
            "long_factor": [round(1.2 + 0.35 * i, 2) for i in range(pairs)],
        },
        "original_max_position_embeddings": original,
        "max_position_embeddings": 4 * original,
    }


def windows(*letters):
    names = {"s": "sliding_attention", "f": "full_attention"}
    return [names[letter] for letter in letters]


GEMMA3 = dict(head_dim=48, sliding_window=WINDOW, sliding_window_pattern=3, num_hidden_layers=4,
              query_pre_attn_scalar=24, rope_theta=1000000.0, rope_local_base_freq=10000.0,
              tie_word_embeddings=None)
MINISTRAL = dict(
    rope_theta=None, sliding_window=WINDOW, layer_types=windows("s", "f", "s"), head_dim=48,
    rope_parameters={**YARN, "type": "yarn", "rope_theta": 10000.0, "mscale": 1.0,
                     "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1})
EXPERTS = dict(hidden_size=64, num_experts_per_tok=2)
DEEPSEEK = dict(
    num_key_value_heads=4, moe_intermediate_size=64, n_shared_experts=2, n_routed_experts=8,
    num_experts_per_tok=3, n_group=4, topk_group=2, kv_lora_rank=64, qk_nope_head_dim=64,
    qk_rope_head_dim=16, v_head_dim=32, first_k_dense_replace=1, moe_layer_freq=1,
    routed_scaling_factor=1.5, rope_scaling=MSCALE)
INDEXER = dict(index_n_heads=12, index_head_dim=32, index_topk=24)
LONGCAT = dict(
    kv_lora_rank=64, q_lora_rank=96, qk_rope_head_dim=16, qk_nope_head_dim=64, v_head_dim=32)
GLM_MOE = dict(
    hidden_size=64, num_experts_per_tok=3, n_routed_experts=8, n_shared_experts=1, n_group=1,
    topk_group=1, moe_intermediate_size=64, norm_topk_prob=True, routed_scaling_factor=1.5,
    first_k_dense_replace=1)
MINIMAX = dict(
    hidden_size=64, head_dim=32, intermediate_size=64, num_experts_per_tok=3, num_local_experts=8,
    shared_intermediate_size=0, rotary_dim=16, use_qk_norm=True, scoring_func="sigmoid")
BAILING = dict(
    hidden_size=64, intermediate_size=128, moe_intermediate_size=64, num_experts=8,
    num_shared_experts=2, norm_topk_prob=True, num_experts_per_tok=3, first_k_dense_replace=1)
GEMMA4 = dict(
    hidden_size=64, head_dim=32, global_head_dim=64, num_hidden_layers=6, num_kv_shared_layers=2,
    layer_types=windows("s", "f", "s", "f", "s", "f"), sliding_window=WINDOW, intermediate_size=128,
    hidden_size_per_layer_input=64, vocab_size_per_layer_input=VOCABULARY, use_double_wide_mlp=True,
    rope_theta=None, tie_word_embeddings=True)

# Keys are FAMILY-VARIANT. The variants of a family cover its options.
GEMMA3N = dict(
    num_hidden_layers=6, head_dim=32, num_kv_shared_layers=2, vocab_size_per_layer_input=200,
    sliding_window=WINDOW, rope_local_base_freq=2000.0, final_logit_softcapping=30.0,
    layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
    activation_sparsity_pattern=[0.7, 0.7, 0.7, 0.0, 0.0, 0.0], hidden_size_per_layer_input=32,
    altup_num_inputs=4, altup_coef_clip=120.0, altup_correct_scale=True, altup_active_idx=0,
    laurel_rank=64, tie_word_embeddings=None)
LLAMA4 = {
    "model_type": "llama4_text", "attention_bias": False, "attention_chunk_size": WINDOW,
    "head_dim": 32, "hidden_size": 128, "interleave_moe_layer_step": 2, "intermediate_size": 64,
    "intermediate_size_mlp": 192, "max_position_embeddings": 512, "num_attention_heads": 4,
    "num_experts_per_tok": 1, "num_hidden_layers": 5, "num_key_value_heads": 2,
    "num_local_experts": 6, "rms_norm_eps": 1e-5, "rope_scaling": None, "rope_theta": 10000.0,
    "use_qk_norm": True, "vocab_size": VOCABULARY, "attn_temperature_tuning": 4, "floor_scale": 16,
    "attn_scale": 0.2,
}

CONFIGS = {
    "llama-llama3": base("llama", rope_scaling=LLAMA3),
    "llama-linear": base("llama", head_dim=48, attention_bias=True, mlp_bias=True,
                         tie_word_embeddings=True, rope_scaling={"type": "linear", "factor": 3.0}),
    # Widths of 128 and 256, so that groups of 128 divide them, for the table of modes.
    "llama-plain": base("llama", num_hidden_layers=2, intermediate_size=256),
    # No group of 32, 64 or 128 divides this width, so `down_proj` stays dense.
    "llama-odd": base("llama", num_hidden_layers=2, intermediate_size=144),
    "mistral-window": base("mistral", head_dim=48, sliding_window=WINDOW,
                           layer_types=windows("s", "f", "s")),
    "qwen2-plain": base("qwen2", tie_word_embeddings=True),
    "qwen3-plain": base("qwen3", head_dim=48),
    "qwen3-yarn": base("qwen3", head_dim=32, rope_scaling=YARN, tie_word_embeddings=True),
    "qwen3_moe-plain": base(
        "qwen3_moe", head_dim=32, moe_intermediate_size=64, num_experts=8, norm_topk_prob=True,
        decoder_sparse_step=1, mlp_only_layers=[1], **EXPERTS),
    "qwen3_moe-raw": base(
        "qwen3_moe", head_dim=16, moe_intermediate_size=64, num_experts=8, norm_topk_prob=False,
        decoder_sparse_step=2, mlp_only_layers=[], **EXPERTS),
    "mixtral-plain": base("mixtral", intermediate_size=128, num_local_experts=6, **EXPERTS),
    "phi3-plain": base("phi3"),
    "phi3-partial": base("phi3", partial_rotary_factor=0.75, tie_word_embeddings=True),
    "phi3-longrope_above": base("phi3", **longrope(ORIGINAL)),
    "phi3-longrope_below": base("phi3", **longrope(1024)),
    "gemma3_text-plain": base("gemma3_text", **GEMMA3),
    "gemma3_text-linear": base("gemma3_text", **{
        **GEMMA3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "head_dim": 32}),
    "gemma3-vision": {
        "model_type": "gemma3", "vocab_size": VOCABULARY,
        "text_config": base("gemma3_text", **GEMMA3),
        "vision_config": {"hidden_size": 32, "model_type": "siglip_vision_model"},
    },
    "gemma2-plain": base("gemma2", head_dim=48, query_pre_attn_scalar=24,
                         attn_logit_softcapping=4.0, final_logit_softcapping=1.0,
                         tie_word_embeddings=None),
    "smollm3-plain": base("smollm3", num_hidden_layers=4, no_rope_layer_interval=4,
                          no_rope_layers=[1, 0, 1, 0], tie_word_embeddings=True),
    "smollm3-interval": base("smollm3", num_hidden_layers=4, no_rope_layer_interval=2),
    "ministral3-plain": base("ministral3", **MINISTRAL),
    "mistral3-ministral": {
        "model_type": "mistral3", "text_config": base("ministral3", **MINISTRAL),
        "vision_config": {"hidden_size": 32, "model_type": "pixtral"},
    },
    "mistral3-mistral": {
        "model_type": "mistral3", "text_config": base("mistral", head_dim=48),
        "vision_config": {"hidden_size": 32, "model_type": "pixtral"},
    },
    "gpt_oss-plain": base(
        "gpt_oss", hidden_size=64, intermediate_size=64, head_dim=32, num_hidden_layers=4,
        num_local_experts=6, num_experts_per_tok=2, sliding_window=WINDOW,
        layer_types=windows("s", "f", "s", "f"), tie_word_embeddings=None, rope_theta=150000,
        rope_scaling={**YARN, "truncate": False}),
    "granite-plain": base("granite", attention_multiplier=0.2, embedding_multiplier=2.0,
                          residual_multiplier=0.6, logits_scaling=4.0, attention_bias=False,
                          mlp_bias=False, tie_word_embeddings=True),
    "granite-bias": base("granite", attention_multiplier=0.2, embedding_multiplier=2.0,
                         residual_multiplier=0.6, logits_scaling=4.0, attention_bias=True,
                         mlp_bias=True, tie_word_embeddings=False),
    "olmo2-plain": base("olmo2", head_dim=48),
    "cohere2-plain": base(
        "cohere2", head_dim=32, layer_norm_eps=1e-5, logit_scale=0.25, sliding_window=WINDOW,
        sliding_window_pattern=3, num_hidden_layers=4, attention_bias=False,
        layer_norm_bias=False, tie_word_embeddings=None, rms_norm_eps=None),
    "cohere2-bias": base(
        "cohere2", head_dim=32, layer_norm_eps=1e-5, logit_scale=0.25, sliding_window=WINDOW,
        sliding_window_pattern=2, num_hidden_layers=4, attention_bias=True, layer_norm_bias=True,
        tie_word_embeddings=None, rms_norm_eps=None),
    "starcoder2-plain": base("starcoder2", norm_epsilon=1e-5, tie_word_embeddings=True,
                             rms_norm_eps=None),
    "starcoder2-untied": base("starcoder2", norm_epsilon=1e-5, rms_norm_eps=None),
    "deepseek_v2-plain": base("deepseek_v2", q_lora_rank=64, tie_word_embeddings=None,
                              topk_method="group_limited_greedy", **DEEPSEEK),
    "deepseek_v2-lite": base(
        "deepseek_v2", q_lora_rank=None, tie_word_embeddings=None, attention_bias=True,
        topk_method="greedy", **{**DEEPSEEK, "n_group": 1, "topk_group": 1}),
    "deepseek_v3-plain": base("deepseek_v3", q_lora_rank=64, tie_word_embeddings=None,
                              topk_method="noaux_tc", scoring_func="sigmoid", norm_topk_prob=True,
                              **DEEPSEEK),
    "deepseek_v3-lite": base(
        "deepseek_v3", q_lora_rank=None, tie_word_embeddings=None, topk_method="noaux_tc",
        scoring_func="sigmoid", norm_topk_prob=False, attention_bias=True,
        **{**DEEPSEEK, "rope_scaling": None, "n_group": 1, "topk_group": 1}),
    "glm4-plain": base("glm4", head_dim=32, attention_bias=True, partial_rotary_factor=0.5,
                       tie_word_embeddings=None),
    "stablelm-plain": base(
        "stablelm", use_qkv_bias=True, partial_rotary_factor=0.25, layer_norm_eps=1e-5,
        rms_norm_eps=None, tie_word_embeddings=None),
    "stablelm-parallel": base(
        "stablelm", use_qkv_bias=False, partial_rotary_factor=0.5, layer_norm_eps=1e-5,
        use_parallel_residual=True, qk_layernorm=True, rms_norm_eps=None,
        tie_word_embeddings=None),
    "olmo3-plain": base("olmo3", head_dim=48, sliding_window=WINDOW,
                        layer_types=windows("s", "f", "s"), rope_scaling=YARN),
    "olmo3-default": base("olmo3", sliding_window=WINDOW, num_hidden_layers=4, attention_bias=True),
    "seed_oss-plain": base("seed_oss", head_dim=48, attention_bias=True, attention_out_bias=False),
    "seed_oss-bias": base("seed_oss", head_dim=32, attention_bias=True, attention_out_bias=True,
                          mlp_bias=True, tie_word_embeddings=True),
    "gemma-plain": base("gemma", head_dim=48, tie_word_embeddings=None),
    "phi-plain": base("phi", partial_rotary_factor=0.5, layer_norm_eps=1e-5, rms_norm_eps=None,
                      tie_word_embeddings=None),
    "olmo-plain": own(
        "olmo", d_model=128, n_layers=3, mlp_hidden_size=384, n_heads=4, embedding_size=VOCABULARY,
        vocab_size=VOCABULARY, rope_theta=10000.0, max_sequence_length=512, weight_tying=False),
    "olmo-tied": own(
        "olmo", d_model=128, n_layers=2, mlp_hidden_size=384, n_heads=4, embedding_size=VOCABULARY,
        vocab_size=VOCABULARY, rope_theta=10000.0, max_sequence_length=512, weight_tying=True),
    "exaone4-plain": base("exaone4", head_dim=48, sliding_window=WINDOW, num_hidden_layers=4,
                          sliding_window_pattern="LLG", rope_scaling=LLAMA3),
    "exaone4-global": {**base("exaone4", head_dim=32, rope_scaling=LLAMA3, tie_word_embeddings=True),
                       "sliding_window": None, "sliding_window_pattern": None},
    "exaone-plain": base(
        "exaone", num_layers=3, num_hidden_layers=None, layer_norm_epsilon=1e-5, rms_norm_eps=None,
        rope_scaling=LLAMA3, tie_word_embeddings=True),
    "exaone-bias": base(
        "exaone", num_layers=2, num_hidden_layers=None, layer_norm_epsilon=1e-5, rms_norm_eps=None,
        attention_bias=True, mlp_bias=True),
    "ernie4_5-plain": base("ernie4_5", head_dim=48, use_bias=False, tie_word_embeddings=True),
    "ernie4_5-bias": base("ernie4_5", head_dim=32, use_bias=True),
    "hunyuan_v1_dense-plain": base(
        "hunyuan_v1_dense", head_dim=48, rope_scaling={"type": "dynamic", "alpha": 4.0, "factor": 1.0},
        tie_word_embeddings=True),
    "hunyuan_v1_dense-bare": base("hunyuan_v1_dense", use_qk_norm=False, attention_bias=True),
    "apertus-plain": base("apertus", hidden_act="xielu", mlp_bias=False, attention_bias=False,
                          post_norm=False, qk_norm=True, rope_scaling=LLAMA3),
    "cohere-plain": base(
        "cohere", layer_norm_eps=1e-5, logit_scale=0.25, rms_norm_eps=None, tie_word_embeddings=None),
    "cohere-norms": base(
        "cohere", layer_norm_eps=1e-5, logit_scale=0.25, rms_norm_eps=None, tie_word_embeddings=None,
        use_qk_norm=True, attention_bias=True, layer_norm_bias=True),
    "gpt_neox-plain": base(
        "gpt_neox", layer_norm_eps=1e-5, rms_norm_eps=None, rotary_emb_base=10000, rotary_pct=0.5,
        num_key_value_heads=None, use_parallel_residual=True, rope_theta=None,
        tie_word_embeddings=None),
    "gpt_neox-serial": base(
        "gpt_neox", layer_norm_eps=1e-5, rms_norm_eps=None, rotary_emb_base=10000, rotary_pct=0.25,
        num_key_value_heads=None, use_parallel_residual=False, rope_theta=None,
        tie_word_embeddings=None),
    "gpt2-plain": own("gpt2", n_ctx=512, n_embd=128, n_head=4, n_layer=3, n_positions=512,
                      layer_norm_epsilon=1e-5, vocab_size=VOCABULARY),
    "gpt_bigcode-plain": own(
        "gpt_bigcode", n_embd=128, n_layer=3, n_inner=192, n_head=4, n_positions=512,
        layer_norm_epsilon=1e-5, vocab_size=VOCABULARY),
    "gpt_bigcode-heads": own(
        "gpt_bigcode", n_embd=128, n_layer=2, n_inner=192, n_head=4, n_positions=512,
        layer_norm_epsilon=1e-5, vocab_size=VOCABULARY, multi_query=False, attention_bias=False,
        mlp_bias=False, tie_word_embeddings=False),
    "gptj-plain": own("gptj", n_embd=128, n_head=4, n_layer=3, n_positions=512, rotary_dim=16,
                      layer_norm_epsilon=1e-5, vocab_size=VOCABULARY),
    "internlm2-plain": base("internlm2", bias=True),
    "internlm2-linear": base("internlm2", bias=False, tie_word_embeddings=True,
                             rope_scaling={"type": "linear", "factor": 3.0}),
    "internlm3-plain": base("internlm3", bias=False, qkv_bias=False,
                            rope_scaling={"rope_type": "dynamic", "factor": 6.0}),
    "internlm3-bias": base("internlm3", bias=True, qkv_bias=True, tie_word_embeddings=True),
    "minicpm-plain": base("minicpm", dim_model_base=64, scale_depth=1.4, scale_emb=12.0),
    "minicpm-tied": base("minicpm", dim_model_base=64, scale_depth=1.4, scale_emb=2.0,
                         tie_word_embeddings=True),
    "minicpm3-plain": base(
        "minicpm3", num_key_value_heads=4, dim_model_base=64, scale_depth=1.4, scale_emb=12.0,
        q_lora_rank=64, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=32, **longrope(ORIGINAL)),
    "bitnet-plain": base("bitnet", head_dim=32, hidden_act="relu2", tie_word_embeddings=True, rope_theta=500000.0,
                         intermediate_size=224),
    "bitnet-bias": base("bitnet", attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3),
    "llama-ternary": base("llama", quantization_config={
        "quant_method": "bitnet", "modules_to_not_convert": ["lm_head"]}),
    "nemotron-plain": base(
        "nemotron", hidden_act="relu2", norm_eps=1e-5, rms_norm_eps=None, head_dim=48,
        partial_rotary_factor=0.5),
    "nemotron-bias": base(
        "nemotron", hidden_act="relu2", norm_eps=1e-5, rms_norm_eps=None, attention_bias=True,
        mlp_bias=True, rope_scaling={"type": "linear", "factor": 4.0}, tie_word_embeddings=True),
    "mimo-plain": base("mimo"),
    "helium-plain": base("helium", head_dim=32, attention_bias=False, mlp_bias=False),
    "helium-bias": base("helium", head_dim=32, attention_bias=True, mlp_bias=True),
    "nanochat-plain": base("nanochat", rms_norm_eps=None, tie_word_embeddings=None),
    "openelm-plain": own(
        "openelm", head_dim=32, num_transformer_layers=3, model_dim=128, vocab_size=VOCABULARY,
        ffn_dim_divisor=64, num_query_heads=[4, 4, 6], num_kv_heads=[2, 1, 3],
        ffn_multipliers=[0.5, 1.25, 2.0], max_context_length=512),
    "openelm-bare": own(
        "openelm", head_dim=48, num_transformer_layers=2, model_dim=128, vocab_size=VOCABULARY,
        ffn_dim_divisor=64, num_query_heads=[2, 4], num_kv_heads=[2, 2], ffn_multipliers=[1.0, 1.5],
        normalize_qk_projections=False, share_input_output_layers=False, max_context_length=512),
    "talkie-plain": own(
        "talkie", hidden_size=128, num_hidden_layers=3, num_attention_heads=4, head_dim=48, intermediate_size=192,
        vocab_size=VOCABULARY, rope_theta=10000.0, max_position_embeddings=512),
    "iquestloopcoder-plain": base(
        "iquestloopcoder", head_dim=48, num_hidden_layers=2, loop_window_size=WINDOW),
    "iquestloopcoder-bias": base(
        "iquestloopcoder", head_dim=32, num_hidden_layers=2, attention_bias=True, mlp_bias=True,
        num_key_value_heads=4, loop_num=2, loop_window_size=7, tie_word_embeddings=True),
    "telechat3-plain": base("telechat3", head_dim=48, rope_scaling={**MSCALE, "type": "telechat3-yarn"}),
    "youtu_llm-plain": base(
        "youtu_llm", num_key_value_heads=4, q_lora_rank=64, kv_lora_rank=64, qk_rope_head_dim=16,
        v_head_dim=32, qk_nope_head_dim=32, tie_word_embeddings=True),
    "youtu_llm-direct": base(
        "youtu_llm", num_key_value_heads=4, kv_lora_rank=64, qk_rope_head_dim=16, v_head_dim=48,
        qk_nope_head_dim=32, attention_bias=True, mlp_bias=True, rope_traditional=False,
        rope_scaling=YARN),
    "lille-130m-plain": own(
        "lille-130m", block_size=512, layer_norm_eps=1e-5, n_embd=128, n_head=4, n_kv_heads=2,
        n_layer=3, rope_theta=10000.0, vocab_size=VOCABULARY, tie_word_embeddings=True),
    "muse_glimmer-plain": base(
        "muse_glimmer", head_dim=48, sliding_window=WINDOW, num_hidden_layers=4, post_norm_eps=1e-8,
        qk_scale_factor=2.5, final_logit_softcapping=2.0, output_multiplier=0.5),
    "qwen-plain": base(
        "qwen", kv_channels=32, layer_norm_epsilon=1e-6, rms_norm_eps=None, num_key_value_heads=None,
        intermediate_size=384, no_bias=True, rope_theta=None, tie_word_embeddings=None),
    "qwen-bias": base(
        "qwen", kv_channels=32, layer_norm_epsilon=1e-6, rms_norm_eps=None, num_key_value_heads=None,
        intermediate_size=384, no_bias=False, rope_theta=None, tie_word_embeddings=None),
    "glm-plain": base("glm", head_dim=48, attention_bias=True),
    "ernie4_5_moe-plain": base(
        "ernie4_5_moe", num_hidden_layers=4, use_bias=False, moe_num_experts=8, moe_k=3,
        moe_intermediate_size=64, moe_num_shared_experts=2, moe_layer_start_index=1,
        moe_layer_end_index=2, tie_word_embeddings=True, hidden_size=64, head_dim=32),
    "ernie4_5_moe-sigmoid": base(
        "ernie4_5_moe", num_hidden_layers=4, use_bias=True, moe_num_experts=6, moe_k=2,
        moe_layer_interval=2, moe_gate_act="sigmoid", intermediate_size=64, hidden_size=64),
    "hunyuan-plain": base(
        "hunyuan", attention_bias=False, moe_topk=2, num_experts=6, num_shared_expert=1,
        use_mixed_mlp_moe=True, use_qk_norm=True, use_cla=False, cla_share_factor=2,
        moe_intermediate_size=[64, 128, 64], intermediate_size=128, hidden_size=64,
        rope_scaling={"type": "dynamic", "alpha": 4.0, "factor": 1.0}, tie_word_embeddings=True),
    "hunyuan-bare": base(
        "hunyuan", attention_bias=True, moe_topk=[1, 2, 3], num_experts=6, num_shared_expert=1,
        use_mixed_mlp_moe=False, use_qk_norm=False, use_cla=False, cla_share_factor=2,
        intermediate_size=64, hidden_size=64,
        rope_scaling={"type": "dynamic", "alpha": 2.0, "factor": 1.0}, tie_word_embeddings=True),
    "iquestcoder-plain": base("iquestcoder", head_dim=48),
    "xverse-plain": base("xverse"),
    "qwen2_moe-plain": base(
        "qwen2_moe", num_experts=6, moe_intermediate_size=64, shared_expert_intermediate_size=128,
        tie_word_embeddings=None, **EXPERTS),
    "olmoe-plain": base("olmoe", num_experts=6, intermediate_size=64, norm_topk_prob=True, **EXPERTS),
    "olmoe-bias": base("olmoe", num_experts=6, intermediate_size=64, norm_topk_prob=False, head_dim=32,
                       attention_bias=True, mlp_bias=True, **{**EXPERTS, "num_experts_per_tok": 3}),
    "granitemoe-plain": base(
        "granitemoe", attention_multiplier=0.2, embedding_multiplier=2.0, residual_multiplier=0.6,
        logits_scaling=4.0, attention_bias=False, num_local_experts=6, intermediate_size=64,
        tie_word_embeddings=True, **EXPERTS),
    "granitemoe-untied": base(
        "granitemoe", attention_multiplier=0.2, embedding_multiplier=2.0, residual_multiplier=0.6,
        logits_scaling=4.0, attention_bias=True, num_local_experts=6, intermediate_size=64, **EXPERTS),
    "deepseek-plain": base(
        "deepseek", n_routed_experts=6, n_shared_experts=2, moe_intermediate_size=64,
        first_k_dense_replace=1, rope_scaling={"type": "linear", "factor": 4.0},
        tie_word_embeddings=None, **EXPERTS),
    "kimi_k2-plain": base("kimi_k2", q_lora_rank=64, tie_word_embeddings=None, topk_method="noaux_tc",
                          scoring_func="sigmoid", norm_topk_prob=True, **DEEPSEEK),
    "joyai_llm_flash-plain": base(
        "joyai_llm_flash", q_lora_rank=64, tie_word_embeddings=None, topk_method="noaux_tc",
        scoring_func="sigmoid", norm_topk_prob=True, **{**DEEPSEEK, "rope_scaling": None}),
    "kimi_vl-plain": {
        "model_type": "kimi_vl",
        "text_config": base(
            "deepseek_v3", q_lora_rank=64, tie_word_embeddings=None, topk_method="noaux_tc",
            scoring_func="sigmoid", norm_topk_prob=True, **{**DEEPSEEK, "n_group": 1, "topk_group": 1}),
        "vision_config": {"hidden_size": 32, "model_type": "moonvit"},
    },
    "kimi_k25-plain": {
        "model_type": "kimi_k25",
        "text_config": base(
            "deepseek_v3", q_lora_rank=64, tie_word_embeddings=None, topk_method="noaux_tc",
            scoring_func="sigmoid", norm_topk_prob=True, **{**DEEPSEEK, "n_group": 1, "topk_group": 1}),
        "vision_config": {"hidden_size": 32, "model_type": "kimi_k25_vision"},
    },
    "glm4_moe_lite-plain": base(
        "glm4_moe_lite", q_lora_rank=64, topk_method="noaux_tc", scoring_func="sigmoid",
        norm_topk_prob=True, **{**DEEPSEEK, "rope_scaling": None, "rms_norm_eps": 1e-2}),
    "glm4_moe-plain": base(
        "glm4_moe", head_dim=32, attention_bias=True, use_qk_norm=True, partial_rotary_factor=0.5,
        rope_scaling=None, **GLM_MOE),
    "glm4_moe-groups": base(
        "glm4_moe", head_dim=48, attention_bias=False, use_qk_norm=False, partial_rotary_factor=0.5,
        **{**GLM_MOE, "n_group": 4, "topk_group": 2, "norm_topk_prob": False}),
    "solar_open-plain": base("solar_open", head_dim=48, partial_rotary_factor=1.0, **GLM_MOE),
    "dots1-plain": base("dots1", head_dim=48, scoring_func="noaux_tc", **GLM_MOE),
    "dots1-groups": base("dots1", mlp_bias=True, scoring_func="noaux_tc",
                         **{**GLM_MOE, "n_group": 4, "topk_group": 2}),
    "minimax-plain": base("minimax", **MINIMAX),
    "minimax_m2-plain": base("minimax_m2", **{**MINIMAX, "use_qk_norm": False}),
    "exaone_moe-plain": base(
        "exaone_moe", head_dim=48, num_experts=8, num_experts_per_tok=3, num_shared_experts=1,
        moe_intermediate_size=64, sliding_window=WINDOW, layer_types=windows("s", "f", "s"),
        is_moe_layer=[False, True, True], hidden_size=64, rope_scaling=LLAMA3),
    "exaone_moe-groups": base(
        "exaone_moe", head_dim=32, num_experts=8, num_experts_per_tok=3, num_shared_experts=0,
        moe_intermediate_size=64, sliding_window=WINDOW, layer_types=windows("f", "f", "f"),
        is_moe_layer=[False, True, False], n_group=4, topk_group=2, hidden_size=64,
        rope_parameters={"rope_theta": 20000.0, "rope_type": "default"}, tie_word_embeddings=True),
    "afmoe-plain": base(
        "afmoe", head_dim=48, sliding_window=WINDOW, layer_types=windows("s", "f", "s"),
        num_experts=8, num_experts_per_tok=3, num_shared_experts=1, num_dense_layers=1,
        moe_intermediate_size=64, route_norm=True, route_scale=1.7, hidden_size=64, rope_scaling=LLAMA3),
    "afmoe-groups": base(
        "afmoe", head_dim=32, sliding_window=WINDOW, layer_types=windows("s", "f", "s"),
        num_experts=8, num_experts_per_tok=3, num_shared_experts=2, num_dense_layers=1,
        moe_intermediate_size=64, route_norm=False, route_scale=1.7, hidden_size=64, n_group=4,
        topk_group=2, mup_enabled=False, tie_word_embeddings=True),
    "bailing_moe-plain": base("bailing_moe", **BAILING),
    "bailing_moe-sigmoid": base("bailing_moe", **{
        **BAILING, "score_function": "sigmoid", "use_qk_norm": True, "n_group": 4, "topk_group": 2,
        "moe_router_enable_expert_bias": True, "partial_rotary_factor": 0.5, "use_qkv_bias": True,
        "routed_scaling_factor": 2.5}),
    "phimoe-plain": base(
        "phimoe", num_local_experts=6, intermediate_size=64, tie_word_embeddings=None,
        router_jitter_noise=0.2, original_max_position_embeddings=ORIGINAL, rope_scaling={
            "type": "longrope", "short_mscale": 1.1, "long_mscale": 1.25,
            "short_factor": [round(1.0 + 0.02 * i, 2) for i in range(8)],
            "long_factor": [round(1.2 + 0.35 * i, 2) for i in range(8)]}, **EXPERTS),
    "phimoe-bare": base("phimoe", num_local_experts=6, intermediate_size=64, tie_word_embeddings=None,
                        router_jitter_noise=0.05, **{**EXPERTS, "num_experts_per_tok": 3}),
    "mellum-plain": base(
        "mellum", head_dim=48, num_experts=6, moe_intermediate_size=64, norm_topk_prob=True,
        sliding_window=WINDOW, layer_types=windows("s", "f", "s"), rope_theta=None, rope_parameters={
            "full_attention": {**YARN, "rope_theta": 20000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}}, **EXPERTS),
    "nemotron-nas-plain": base(
        "nemotron-nas", num_hidden_layers=4, rope_scaling=LLAMA3, num_key_value_heads=None, block_configs=[
            {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 2.25}},
            {"attention": {"no_op": True}, "ffn": {"replace_with_linear": True}},
            {"attention": {"replace_with_linear": True}, "ffn": {"no_op": True}},
            {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": 4.0}}]),
    "llama4_text-plain": base(
        "llama4_text", head_dim=48, intermediate_size_mlp=192, no_rope_layers=[1, 0, 1],
        use_qk_norm=True),
    "llama4_text-bare": base(
        "llama4_text", head_dim=32, intermediate_size_mlp=128, no_rope_layers=[1, 1, 0],
        use_qk_norm=False, tie_word_embeddings=True),
    "mistral4-plain": base(
        "mistral4", q_lora_rank=64, norm_topk_prob=True, rope_theta=None, rope_interleave=True,
        rope_parameters={**YARN, "rope_theta": 10000.0, "mscale": 1.0, "mscale_all_dim": 1.0,
                         "llama_4_scaling_beta": 0.1},
        **{**DEEPSEEK, "rope_scaling": None}),
    "mistral3-mistral4": {
        "model_type": "mistral3",
        "text_config": base(
            "mistral4", q_lora_rank=None, norm_topk_prob=False, rope_theta=None, rope_interleave=False,
            rope_parameters={**YARN, "rope_theta": 10000.0, "mscale": 1.0, "mscale_all_dim": 0.7,
                             "llama_4_scaling_beta": 0.2},
            **{**DEEPSEEK, "rope_scaling": None, "n_group": 1, "topk_group": 1}),
        "vision_config": {"hidden_size": 32, "model_type": "pixtral"},
    },
    "llava-plain": {
        "model_type": "llava", "text_config": base("mistral", head_dim=48),
        "vision_config": {"hidden_size": 32, "model_type": "pixtral"},
    },
    "pixtral-plain": {
        "model_type": "pixtral", "text_config": base("mistral", head_dim=48, tie_word_embeddings=None),
        "vision_config": {"hidden_size": 32, "model_type": "pixtral"},
    },
    "qwen2_vl-plain": {
        **base("qwen2_vl", rope_scaling={"type": "mrope", "mrope_section": [4, 6, 6]}),
        "vision_config": {"hidden_size": 32, "model_type": "qwen2_vl"},
    },
    "qwen2_5_vl-plain": {
        "model_type": "qwen2_5_vl",
        "text_config": base("qwen2_5_vl_text", rope_scaling={
            "rope_type": "default", "mrope_section": [4, 6, 6]}, tie_word_embeddings=True),
        "vision_config": {"hidden_size": 32, "model_type": "qwen2_5_vl"},
    },
    "qwen3_vl-plain": {
        "model_type": "qwen3_vl",
        "text_config": base("qwen3_vl_text", head_dim=48, tie_word_embeddings=True, rope_scaling={
            "rope_type": "default", "mrope_interleaved": True, "mrope_section": [8, 8, 8]}),
        "vision_config": {"hidden_size": 32, "model_type": "qwen3_vl"},
    },
    "qwen3_vl_moe-plain": {
        "model_type": "qwen3_vl_moe",
        "text_config": base(
            "qwen3_vl_moe_text", head_dim=32, moe_intermediate_size=64, num_experts=8,
            norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], **EXPERTS),
        "vision_config": {"hidden_size": 32, "model_type": "qwen3_vl_moe"},
    },
    "spark2_5-plain": base(
        "spark2_5", head_dim=48, sliding_window=WINDOW, layer_types=windows("s", "f", "s"),
        rope_theta=None, rope_parameters={
            "full_attention": {"rope_theta": 20000.0, "partial_rotary_factor": 0.5},
            "sliding_attention": {"rope_theta": 5000.0}}),
    "spark2_5-default": base(
        "spark2_5", head_dim=32, sliding_window=WINDOW, num_hidden_layers=4, attention_bias=True,
        mlp_bias=True, tie_word_embeddings=True, rope_theta=None, rope_parameters={
            "full_attention": {"rope_theta": 20000.0}, "sliding_attention": {"rope_theta": 5000.0}}),
    "laguna-plain": base(
        "laguna", head_dim=48, hidden_size=64, sliding_window=WINDOW, layer_types=windows("s", "f", "s"),
        num_attention_heads_per_layer=[6, 4, 2], num_experts=8, num_experts_per_tok=3,
        moe_intermediate_size=64, shared_expert_intermediate_size=128, moe_routed_scaling_factor=2.5,
        rope_theta=None, rope_parameters={
            "full_attention": {**YARN, "rope_theta": 20000.0, "partial_rotary_factor": 0.5},
            "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}}),
    "laguna-bare": base(
        "laguna", head_dim=32, hidden_size=64, num_experts=6, num_experts_per_tok=2, gating=False,
        moe_intermediate_size=64, shared_expert_intermediate_size=64, qkv_bias=True,
        attention_bias=True, mlp_layer_types=["sparse", "dense", "sparse"], rope_theta=None,
        tie_word_embeddings=True),
    "mimo_v2_flash-plain": base(
        "mimo_v2_flash", rms_norm_eps=None, layernorm_epsilon=1e-5, hidden_size=64, head_dim=48,
        v_head_dim=32, swa_head_dim=32, swa_v_head_dim=32, swa_num_attention_heads=6,
        swa_num_key_value_heads=3, swa_rope_theta=5000.0, hybrid_layer_pattern=[0, 1, 1, 0],
        moe_layer_freq=[0, 1, 1, 1], num_hidden_layers=4, sliding_window_size=WINDOW,
        add_swa_attention_sink_bias=True, add_full_attention_sink_bias=False, n_routed_experts=8,
        n_shared_experts=None, num_experts_per_tok=3, moe_intermediate_size=64, n_group=1, topk_group=1,
        norm_topk_prob=True, topk_method="noaux_tc", scoring_func="sigmoid", partial_rotary_factor=0.5,
        attention_value_scale=0.7, tie_word_embeddings=None),
    "step3p5-plain": base(
        "step3p5", head_dim=48, hidden_size=64, num_attention_groups=2, num_key_value_heads=None,
        layer_types=windows("s", "f", "s", "f"), num_hidden_layers=4, sliding_window=WINDOW,
        attention_other_setting={"num_attention_heads": 6, "num_attention_groups": 3},
        rope_theta=[5000.0, 20000.0, 5000.0, 20000.0], partial_rotary_factors=[1.0, 0.5, 1.0, 0.5],
        yarn_only_types=["full_attention"], rope_scaling=LLAMA3, moe_num_experts=8, moe_top_k=3,
        moe_intermediate_size=64, share_expert_dim=128, swiglu_limits=[0, 0, 0.3, 0.0],
        swiglu_limits_shared=[0.5, 0.0, 0, 0.4], tie_word_embeddings=None),
    "step3p5-bare": base(
        "step3p5", head_dim=32, hidden_size=64, num_attention_groups=2, num_key_value_heads=None,
        sliding_window=WINDOW, use_head_wise_attn_gate=False, moe_num_experts=6, moe_top_k=2,
        moe_intermediate_size=64, share_expert_dim=64, moe_layers_enum="0,2", norm_expert_weight=False,
        tie_word_embeddings=None),
    "nanbeige-plain": base("nanbeige", head_dim=48, num_hidden_layers=2, num_loops=2),
    "nanbeige-bare": base("nanbeige", num_hidden_layers=1, loop_loss_weights=[0.5, 0.5], attention_bias=True,
                          mlp_bias=True, skip_loop_final_norm=True, tie_word_embeddings=True),
    "gemma3n-plain": {"model_type": "gemma3n", "text_config": base("gemma3n_text", **GEMMA3N)},
    "gemma3n-unscaled": {"model_type": "gemma3n", "text_config": base("gemma3n_text", **{
        **GEMMA3N, "altup_correct_scale": False, "altup_num_inputs": 3, "num_kv_shared_layers": 0,
        "intermediate_size": [192, 128, 192, 128, 192, 64], "activation_sparsity_pattern": [0.0] * 6,
        "altup_coef_clip": 0.5})},
    "Klear-plain": base(
        "Klear", attention_bias=False, mlp_only_layers=[0], num_experts=8, num_experts_per_tok=3,
        decoder_sparse_step=1, n_shared_experts=2, moe_intermediate_size=64, norm_topk_prob=True,
        tie_word_embeddings=None),
    "phixtral-plain": own(
        "phixtral", num_vocab=VOCABULARY, model_dim=128, num_heads=4, num_layers=3, rotary_dim=16,
        num_experts_per_tok=2, num_local_experts=4),
    "dbrx-plain": own(
        "dbrx", vocab_size=VOCABULARY, d_model=128, n_layers=3, n_heads=4,
        attn_config={"kv_n_heads": 2, "clip_qkv": 2.5, "rope_theta": 10000.0},
        ffn_config={"ffn_hidden_size": 64, "moe_num_experts": 6, "moe_top_k": 3}),
    "deepseek_v32-plain": base(
        "deepseek_v32", q_lora_rank=64, tie_word_embeddings=None, topk_method="noaux_tc",
        scoring_func="sigmoid", norm_topk_prob=True, **INDEXER, **DEEPSEEK),
    "deepseek_v32-bare": base(
        "deepseek_v32", q_lora_rank=64, tie_word_embeddings=None, attention_bias=True,
        rope_theta=None, indexer_rope_interleave=True, index_n_heads=8, index_head_dim=48,
        index_topk=70, **{**DEEPSEEK, "rope_scaling": None, "n_group": None, "topk_group": None}),
    "glm_moe_dsa-plain": base(
        "glm_moe_dsa", q_lora_rank=64, tie_word_embeddings=None, topk_method="noaux_tc",
        scoring_func="sigmoid", norm_topk_prob=True, attention_bias=False, rope_theta=None,
        rope_parameters={"rope_theta": 20000.0, "rope_type": "default"},
        **{**INDEXER, **DEEPSEEK, "rope_scaling": None, "n_group": 1, "topk_group": 1}),
    "longcat_flash-plain": own(
        "longcat_flash", vocab_size=VOCABULARY, hidden_size=128, num_layers=2, ffn_hidden_size=192,
        num_attention_heads=4, max_position_embeddings=512, rms_norm_eps=1e-4, rope_theta=10000.0,
        attention_method="MLA", attention_bias=False, zero_expert_type="identity", zero_expert_num=4,
        n_routed_experts=6, moe_topk=4, expert_ffn_hidden_size=64, routed_scaling_factor=2.0,
        mla_scale_q_lora=True, mla_scale_kv_lora=True, **LONGCAT),
    "longcat_flash-bias": own(
        "longcat_flash", vocab_size=VOCABULARY, hidden_size=128, num_layers=2, ffn_hidden_size=192,
        num_attention_heads=4, max_position_embeddings=512, rms_norm_eps=1e-5, rope_theta=10000.0,
        attention_method="MLA", attention_bias=True, zero_expert_type="identity", zero_expert_num=3,
        n_routed_experts=8, moe_topk=3, expert_ffn_hidden_size=64, routed_scaling_factor=1.5,
        mla_scale_q_lora=True, mla_scale_kv_lora=True, norm_topk_prob=True, router_bias=True,
        rope_scaling=MSCALE, **LONGCAT),
    "longcat_flash_ngram-plain": own(
        "longcat_flash_ngram", vocab_size=VOCABULARY, hidden_size=192, num_layers=2,
        ffn_hidden_size=192, num_attention_heads=4, max_position_embeddings=512, rms_norm_eps=1e-5,
        rope_theta=10000.0, zero_expert_num=4, n_routed_experts=6, moe_topk=4,
        expert_ffn_hidden_size=64, routed_scaling_factor=2.0, mla_scale_q_lora=True,
        mla_scale_kv_lora=True, ngram_vocab_size_ratio=3, emb_neighbor_num=4, emb_split_num=1,
        **LONGCAT),
    "longcat_flash_ngram-split": own(
        "longcat_flash_ngram", vocab_size=VOCABULARY, hidden_size=128, num_layers=2,
        ffn_hidden_size=192, num_attention_heads=4, max_position_embeddings=512, rms_norm_eps=1e-5,
        rope_theta=10000.0, zero_expert_num=3, n_routed_experts=8, moe_topk=3, attention_bias=True,
        expert_ffn_hidden_size=64, routed_scaling_factor=1.5, mla_scale_q_lora=True,
        mla_scale_kv_lora=True, ngram_vocab_size_ratio=2, emb_neighbor_num=3, emb_split_num=2,
        rope_scaling=MSCALE, **LONGCAT),
    "plamo-plain": base(
        "plamo", num_key_value_heads=None, n_shared_head=2, max_position_embeddings=None,
        tie_word_embeddings=None),
    "llama4-plain": {"model_type": "llama4", "text_config": LLAMA4},
    "llama4-bias": {"model_type": "llama4", "text_config": {
        **LLAMA4, "attention_bias": True, "use_qk_norm": False, "attn_temperature_tuning": 0,
        "interleave_moe_layer_step": 1, "rope_scaling": LLAMA3}},
    "gemma4_text-plain": base("gemma4_text", **GEMMA4),
    "gemma4_text-keys": base("gemma4_text", **{
        **GEMMA4, "attention_k_eq_v": True, "num_global_key_value_heads": 1, "head_dim": 48,
        "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 0, "num_hidden_layers": 3,
        "layer_types": windows("s", "f", "s"), "final_logit_softcapping": 2.0, "rope_parameters": {
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.5,
                               "rope_theta": 20000.0, "factor": 2.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}}}),
    "gemma4-vision": {
        "model_type": "gemma4", "vocab_size": VOCABULARY, "text_config": base("gemma4_text", **GEMMA4),
        "vision_config": {"hidden_size": 32, "model_type": "gemma4_vision"},
    },
    "gemma4_unified-plain": {
        "model_type": "gemma4_unified", "vocab_size": VOCABULARY, "text_config": base("gemma4_text", **{
            **GEMMA4, "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 0}),
        "vision_config": {"hidden_size": 32, "model_type": "gemma4_vision"},
    },
    "gemma4_text-experts": base("gemma4_text", **{
        **GEMMA4, "enable_moe_block": True, "num_experts": 6, "top_k_experts": 2,
        "moe_intermediate_size": 64, "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 0,
        "num_hidden_layers": 3, "layer_types": windows("s", "f", "s")}),
}
# A null differs from an absent key, for which mlx-lm has a number as the default.
for _name in ("deepseek_v2-lite", "deepseek_v3-lite", "youtu_llm-direct"):
    CONFIGS[_name]["q_lora_rank"] = None
CONFIGS["mimo_v2_flash-plain"].update(n_shared_experts=None, routed_scaling_factor=None)
CONFIGS["mistral3-mistral4"]["text_config"]["q_lora_rank"] = None
for _name in ("glm4_moe-plain", "glm4_moe-groups"):
    CONFIGS[_name]["rope_scaling"] = None

AFFINE = {"mode": "affine", "bits": 4, "group_size": 64}
MXFP4 = {"mode": "mxfp4", "bits": 4, "group_size": 32}
MXFP8 = {"mode": "mxfp8", "bits": 8, "group_size": 32}
NVFP4 = {"mode": "nvfp4", "bits": 4, "group_size": 16}


def affine(bits, group_size):
    return {"mode": "affine", "bits": bits, "group_size": group_size}


# Modes by name: the quantization of matrices, and the type of all other floats.
MODES = {
    "f32": (None, "float32"), "bf16": (None, "bfloat16"), "f16": (None, "float16"),
    "mxfp4": (MXFP4, "bfloat16"), "mxfp8": (MXFP8, "bfloat16"), "nvfp4": (NVFP4, "bfloat16"),
    "nvfp4global": ({**NVFP4, "global_scale": True}, "bfloat16"),
    # Several modes in one checkpoint: 6 bits for `down_proj` and `v_proj`, dense `o_proj`.
    "mixed": (AFFINE, "bfloat16"),
    # Experts in MXFP4 and the rest in 8 bits, as gpt-oss is published for MLX.
    "experts": (affine(8, 64), "bfloat16"),
    "expertsbf16": (MXFP4, "bfloat16"),
}
for _bits in (2, 3, 4, 5, 6, 8):
    for _group in (32, 64, 128):
        MODES[f"affine{_bits}g{_group}"] = (affine(_bits, _group), "float16" if _bits == 6 else "bfloat16")


def overrides(mode, path):
    """Return a recipe's quantization of a module, or None if the model's own rules apply."""
    if mode == "mixed":
        if path.endswith("o_proj"):
            return False
        if path.endswith(("down_proj", "v_proj")):
            return affine(6, 64)
        if path.endswith("lm_head"):
            return MXFP8
    if mode == "experts" and ".experts." in path:
        return MXFP4
    if mode == "expertsbf16" and ".experts." not in path:
        return False
    return None


# Each family runs dense, in 4 bits with groups of 64, and in another mode; variants in one or two.
CASES = {
    "llama-llama3": ["f32", "affine4g64", "mxfp8"],
    "llama-linear": ["bf16", "affine5g32"],
    "llama-plain": [*(f"affine{b}g{g}" for b in (2, 3, 4, 5, 6, 8) for g in (32, 64, 128)),
                    "mxfp4", "mxfp8", "nvfp4", "bf16", "f16", "f32", "mixed"],
    "llama-odd": ["affine4g64", "mxfp4"],
    "mistral-window": ["f32", "affine4g64", "affine8g64"],
    "qwen2-plain": ["f32", "affine4g64", "affine8g32"],
    "qwen3-plain": ["f32", "affine4g64", "mixed"],
    "qwen3-yarn": ["affine6g64"],
    "qwen3_moe-plain": ["f32", "affine4g64", "mxfp4"],
    "qwen3_moe-raw": ["nvfp4global"],
    "mixtral-plain": ["bf16", "affine4g64", "nvfp4global", "affine3g32"],
    "phi3-plain": ["f32", "affine4g64", "affine2g64"],
    "phi3-partial": ["affine4g64"],
    "phi3-longrope_above": ["f32", "affine8g64"],
    "phi3-longrope_below": ["f32"],
    "gemma3_text-plain": ["f32", "affine4g64", "affine8g64"],
    "gemma3_text-linear": ["affine4g32"],
    "gemma3-vision": ["bf16", "affine4g64", "nvfp4"],
    "gemma2-plain": ["f32", "affine4g64", "affine6g32"],
    "smollm3-plain": ["f32", "affine4g64", "nvfp4"],
    "smollm3-interval": ["affine5g64"],
    "ministral3-plain": ["f32"],
    "mistral3-ministral": ["bf16", "affine4g64", "affine6g64"],
    "mistral3-mistral": ["affine4g64"],
    "gpt_oss-plain": ["f32", "affine4g64", "experts", "expertsbf16"],
    "granite-plain": ["f32", "affine4g64", "mxfp8"],
    "granite-bias": ["nvfp4"],
    "olmo2-plain": ["f32", "affine4g64", "affine3g64"],
    "cohere2-plain": ["f32", "affine4g64", "affine8g64"],
    "cohere2-bias": ["f16"],
    "starcoder2-plain": ["f32", "affine4g64", "affine5g64"],
    "starcoder2-untied": ["affine8g128"],
    "deepseek_v2-plain": ["f32", "affine4g64", "affine6g32"],
    "deepseek_v2-lite": ["affine4g32"],
    "deepseek_v3-plain": ["f32", "affine4g64", "mxfp4"],
    "deepseek_v3-lite": ["affine8g32"],
    "glm4-plain": ["f32", "affine4g64", "mxfp4"],
    "stablelm-plain": ["f32", "affine4g64"],
    "stablelm-parallel": ["f32", "affine8g64"],
    "olmo3-plain": ["f32", "affine4g64", "mxfp4"],
    "olmo3-default": ["affine6g64"],
    "seed_oss-plain": ["f32", "affine4g64", "nvfp4"],
    "seed_oss-bias": ["bf16"],
    "gemma-plain": ["f32", "affine4g64", "affine8g64"],
    "phi-plain": ["f32", "affine4g64", "mxfp8"],
    "olmo-plain": ["f32", "affine4g64", "affine5g64"],
    "olmo-tied": ["affine8g64"],
    "exaone4-plain": ["f32", "affine4g64", "affine3g64"],
    "exaone4-global": ["mxfp4"],
    "exaone-plain": ["f32", "affine4g64", "affine6g64"],
    "exaone-bias": ["nvfp4"],
    "ernie4_5-plain": ["f32", "affine4g64", "affine8g32"],
    "ernie4_5-bias": ["bf16"],
    "hunyuan_v1_dense-plain": ["f32", "affine4g64", "mxfp4"],
    "hunyuan_v1_dense-bare": ["affine5g64"],
    "apertus-plain": ["f32", "affine4g64", "mxfp8"],
    "cohere-plain": ["f32", "affine4g64", "affine6g64"],
    "cohere-norms": ["f16", "affine8g64"],
    "gpt_neox-plain": ["f32", "affine4g64", "affine3g32"],
    "gpt_neox-serial": ["nvfp4"],
    "gpt2-plain": ["f32", "affine4g64", "affine8g64"],
    "gpt_bigcode-plain": ["f32", "affine4g64", "affine6g64"],
    "gpt_bigcode-heads": ["mxfp4"],
    "gptj-plain": ["f32", "affine4g64", "mxfp8"],
    "internlm2-plain": ["f32", "affine4g64", "nvfp4"],
    "internlm2-linear": ["affine8g64"],
    "internlm3-plain": ["f32", "affine4g64", "affine6g64"],
    "internlm3-bias": ["mxfp4"],
    "minicpm-plain": ["f32", "affine4g64", "affine5g64"],
    "minicpm-tied": ["bf16"],
    "minicpm3-plain": ["f32", "affine4g64", "affine8g64"],
    "bitnet-plain": ["f32", "affine4g64", "bf16"],
    "bitnet-bias": ["f16"],
    "llama-ternary": ["f32", "bf16"],
    "nemotron-plain": ["f32", "affine4g64", "mxfp8"],
    "nemotron-bias": ["affine6g64"],
    "mimo-plain": ["f32", "affine4g64", "affine3g64"],
    "helium-plain": ["f32", "affine4g64", "nvfp4"],
    "helium-bias": ["affine8g64"],
    "nanochat-plain": ["f32", "affine4g64", "affine8g64"],
    "openelm-plain": ["f32", "affine4g64", "mxfp4"],
    "openelm-bare": ["bf16"],
    "talkie-plain": ["f32", "affine4g64", "affine6g64"],
    "iquestloopcoder-plain": ["f32", "affine4g64", "mxfp4"],
    "iquestloopcoder-bias": ["f16"],
    "telechat3-plain": ["f32", "affine4g64", "affine6g64"],
    "youtu_llm-plain": ["f32", "affine4g64", "mxfp4"],
    "youtu_llm-direct": ["affine8g64"],
    "lille-130m-plain": ["f32", "affine4g64", "affine5g64"],
    "muse_glimmer-plain": ["f32", "affine4g64", "affine8g64"],
    "qwen-plain": ["f32", "affine4g64", "mxfp8"],
    "qwen-bias": ["affine6g64"],
    "glm-plain": ["f32", "affine4g64", "nvfp4"],
    "ernie4_5_moe-plain": ["f32", "affine4g64", "mxfp4"],
    "ernie4_5_moe-sigmoid": ["affine6g64"],
    "hunyuan-plain": ["f32", "affine4g64", "affine8g64"],
    "hunyuan-bare": ["nvfp4global"],
    "iquestcoder-plain": ["affine4g64"],
    "xverse-plain": ["affine4g64"],
    "qwen2_moe-plain": ["f32", "affine4g64", "mxfp4"],
    "olmoe-plain": ["f32", "affine4g64", "affine8g64"],
    "olmoe-bias": ["nvfp4"],
    "granitemoe-plain": ["f32", "affine4g64", "mxfp4"],
    "granitemoe-untied": ["affine6g64"],
    "deepseek-plain": ["f32", "affine4g64", "mxfp8"],
    "kimi_k2-plain": ["affine4g64"],
    "joyai_llm_flash-plain": ["affine4g64"],
    "kimi_vl-plain": ["bf16", "affine4g64", "affine8g64"],
    "kimi_k25-plain": ["affine4g64"],
    "glm4_moe_lite-plain": ["f32", "affine4g64", "mxfp4"],
    "glm4_moe-plain": ["f32", "affine4g64", "nvfp4"],
    "glm4_moe-groups": ["affine8g64"],
    "solar_open-plain": ["f32", "affine4g64", "mxfp8"],
    "dots1-plain": ["f32", "affine4g64", "affine6g64"],
    "dots1-groups": ["mxfp4"],
    "minimax-plain": ["f32", "affine4g64", "affine3g64"],
    "minimax_m2-plain": ["affine8g64"],
    "exaone_moe-plain": ["f32", "affine4g64", "mxfp4"],
    "exaone_moe-groups": ["affine6g64"],
    "afmoe-plain": ["f32", "affine4g64", "mxfp8"],
    "afmoe-groups": ["nvfp4"],
    "bailing_moe-plain": ["f32", "affine4g64", "affine5g64"],
    "bailing_moe-sigmoid": ["bf16", "mxfp4"],
    "phimoe-plain": ["f32", "affine4g64", "nvfp4"],
    "phimoe-bare": ["affine8g64"],
    "mellum-plain": ["f32", "affine4g64", "affine6g64"],
    "nemotron-nas-plain": ["f32", "affine4g64", "mxfp4"],
    "llama4_text-plain": ["f32", "affine4g64", "affine8g64"],
    "llama4_text-bare": ["bf16"],
    "mistral4-plain": ["f32", "affine4g64", "affine8g64"],
    "mistral3-mistral4": ["affine4g64"],
    "llava-plain": ["affine4g64"],
    "pixtral-plain": ["bf16", "affine4g64", "mxfp4"],
    "qwen2_vl-plain": ["bf16", "affine4g64", "affine8g64"],
    "qwen2_5_vl-plain": ["affine4g64"],
    "qwen3_vl-plain": ["f32", "affine4g64", "nvfp4"],
    "qwen3_vl_moe-plain": ["f32", "affine4g64", "mxfp8"],
    "gemma3n-plain": ["f32", "affine4g64", "mxfp8"],
    "gemma3n-unscaled": ["bf16"],
    "Klear-plain": ["f32", "affine4g64", "mxfp4"],
    "phixtral-plain": ["f32", "affine4g64"],
    "dbrx-plain": ["f32", "affine4g64", "mxfp4"],
    "deepseek_v32-plain": ["f32", "affine4g64", "mxfp4"],
    "deepseek_v32-bare": ["affine8g32"],
    "glm_moe_dsa-plain": ["f32", "affine4g64", "mxfp8"],
    "longcat_flash-plain": ["f32", "affine4g64", "mxfp4"],
    "longcat_flash-bias": ["affine8g32"],
    "longcat_flash_ngram-plain": ["f32", "affine4g64", "affine6g64"],
    "longcat_flash_ngram-split": ["affine8g32"],
    "plamo-plain": ["f32", "affine4g64"],
    "llama4-plain": ["f32", "affine4g64", "mxfp4"],
    "llama4-bias": ["bf16"],
    "gemma4_text-plain": ["f32", "affine4g64", "mxfp8"],
    "gemma4_text-experts": ["f32", "affine4g64", "mxfp4"],
    "gemma4_text-keys": ["bf16", "affine4g64"],
    "gemma4-vision": ["f32", "affine4g64", "affine8g64"],
    "gemma4_unified-plain": ["affine4g64"],
    "nanbeige-plain": ["f32", "affine4g64", "mxfp8"],
    "nanbeige-bare": ["affine6g64"],
    "spark2_5-plain": ["f32", "affine4g64", "mxfp4"],
    "spark2_5-default": ["affine8g64"],
    "laguna-plain": ["f32", "affine4g64", "affine6g64"],
    "laguna-bare": ["nvfp4"],
    "mimo_v2_flash-plain": ["f32", "affine4g64", "mxfp8"],
    "step3p5-plain": ["f32", "affine4g64", "affine8g64"],
    "step3p5-bare": ["mxfp4"],
}

# Number of attentions, if not every layer has one.
ATTENTIONS = {"iquestloopcoder-plain": 6, "iquestloopcoder-bias": 6, "nemotron-nas-plain": 2, "nanbeige-plain": 4, "nanbeige-bare": 3,
              "longcat_flash-plain": 4, "longcat_flash-bias": 4,
              "longcat_flash_ngram-plain": 4, "longcat_flash_ngram-split": 4}
# Least deviation of the scores, if norms without weights make it smaller than one.
LEAST_SCORES = {"llama4-plain": 0.9, "nanochat-plain": 0.8, "llama4_text-plain": 0.8}
