//! `config.json` is untrusted: invalid values are refused with the name of their key.

use mlxk_models::registry::shape_of;
use mlxk_models::{TensorKind, tensors};
use mlxk_ops::{CacheSpec, LayerCache};
use serde_json::{Value, json};

fn llama() -> Value {
    json!({
        "model_type": "llama", "hidden_act": "silu", "hidden_size": 576,
        "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
        "num_key_value_heads": 3, "rms_norm_eps": 1e-5, "rope_theta": 100_000,
        "rope_scaling": null, "max_position_embeddings": 8192, "vocab_size": 49152,
        "tie_word_embeddings": true
    })
}

fn with(mut config: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (key, value) in changes {
        config[&key] = value;
    }
    config
}

fn refusal(config: &Value) -> String {
    shape_of(config).expect_err("the configuration should be refused").to_string()
}

#[test]
fn a_usual_configuration_gives_its_sizes() {
    let shape = shape_of(&llama()).unwrap();
    assert_eq!(shape.cache, CacheSpec::uniform(30, 3, 64, 64));
    assert_eq!((shape.vocab_size, shape.max_positions), (49152, 8192));
    for model_type in ["mistral", "qwen2", "qwen3", "smollm3", "mixtral", "olmo2", "phi3"] {
        shape_of(&with(llama(), json!({"model_type": model_type}))).unwrap();
    }
}

#[test]
fn an_explicit_head_dim_and_absent_kv_heads_are_honoured() {
    let config = with(llama(), json!({"head_dim": 128, "num_key_value_heads": null}));
    assert_eq!(shape_of(&config).unwrap().cache, CacheSpec::uniform(30, 9, 128, 128));
}

#[test]
fn an_unknown_type_is_named_with_a_place_to_look() {
    let message = refusal(&with(llama(), json!({"model_type": "plamo3"})));
    assert!(message.starts_with("Model type `plamo3` is not supported;"), "{message}");
    assert!(message.contains("`mlxk list --supported`"), "{message}");
    assert!(!message.contains("`llama`"), "{message}");
    assert!(refusal(&json!({})).contains("no `model_type`"));
    assert!(refusal(&with(llama(), json!({"model_type": 3}))).contains("`model_type`"));
}

#[test]
fn a_model_of_several_modalities_is_named() {
    let message = refusal(&json!({"model_type": "idefics3", "text_config": llama()}));
    assert!(message.contains("`idefics3`") && message.contains("`text_config`"), "{message}");
}

#[test]
fn impossible_values_are_named() {
    let cases = [
        (json!({"num_attention_heads": 0}), "`num_attention_heads`"),
        (json!({"num_attention_heads": 10}), "`num_key_value_heads`"),
        (json!({"num_key_value_heads": 2}), "`num_key_value_heads`"),
        (json!({"num_attention_heads": -9}), "`num_attention_heads`"),
        (json!({"num_attention_heads": 9.5}), "`num_attention_heads`"),
        (json!({"hidden_size": 577}), "`hidden_size`"),
        (json!({"hidden_size": 9 * 63}), "`hidden_size`"),
        (json!({"hidden_size": 1e18}), "`hidden_size`"),
        (json!({"hidden_size": "576"}), "`hidden_size`"),
        (json!({"hidden_size": null}), "`hidden_size`"),
        (json!({"head_dim": 63}), "`head_dim`"),
        (json!({"head_dim": 1 << 20}), "`head_dim`"),
        (json!({"num_hidden_layers": 0}), "`num_hidden_layers`"),
        (json!({"num_hidden_layers": 4_000_000_000_u64}), "`num_hidden_layers`"),
        (json!({"vocab_size": 0}), "`vocab_size`"),
        (json!({"intermediate_size": []}), "`intermediate_size`"),
        (json!({"rms_norm_eps": {"__float__": "NaN"}}), "`rms_norm_eps`"),
        (json!({"rms_norm_eps": null}), "`rms_norm_eps`"),
        (json!({"attention_bias": 1}), "`attention_bias`"),
        (json!({"hidden_act": "gelu"}), "`gelu`"),
        (json!({"max_position_embeddings": 0}), "`max_position_embeddings`"),
        (json!({"layer_types": ["full_attention"]}), "`layer_types`"),
        (json!({"layer_types": vec!["linear_attention"; 30]}), "`linear_attention`"),
        (json!({"layer_types": vec!["sliding_attention"; 30]}), "`sliding_window`"),
        (json!({"rope_scaling": {"type": "ntk"}}), "`rope_scaling.type`"),
    ];
    for (changes, name) in cases {
        let message = refusal(&with(llama(), changes.clone()));
        assert!(message.contains(name), "{changes}: {message}");
    }
}

fn qwen3_5() -> Value {
    let text = with(
        llama(),
        json!({
            "model_type": "qwen3_5_text", "num_hidden_layers": 8, "head_dim": 64,
            "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 32,
            "linear_value_head_dim": 40, "linear_conv_kernel_dim": 4
        }),
    );
    json!({"model_type": "qwen3_5", "text_config": text})
}

fn nemotron_h() -> Value {
    with(
        llama(),
        json!({
            "model_type": "nemotron_h", "hybrid_override_pattern": "M*-E", "head_dim": 64,
            "layer_norm_epsilon": 1e-5, "mamba_num_heads": 8, "mamba_head_dim": 32,
            "ssm_state_size": 32, "conv_kernel": 4, "n_groups": 2, "n_routed_experts": 8,
            "num_experts_per_tok": 2, "moe_intermediate_size": 64
        }),
    )
}

#[test]
fn a_hybrid_names_its_layers_and_plans_its_states() {
    let mixers = |config: &Value| {
        let mixers = mlxk_models::registry::mixers(config).unwrap();
        mixers.iter().map(|mixers| (mixers.kind, mixers.count)).collect::<Vec<_>>()
    };
    assert_eq!(mixers(&qwen3_5()), [("gated delta net", 6), ("attention", 2)]);
    assert_eq!(mixers(&nemotron_h()), [("selective scan", 1), ("attention", 1)]);
    assert_eq!(mixers(&llama()), [("attention", 30)]);
    // Three inputs of the convolution, and a matrix per head whose columns are rounded up to 16.
    let conv = (3 * (2 * 2 * 32 + 4 * 40_usize)).next_multiple_of(16);
    let state = conv + 4 * 32 * 48;
    assert_eq!(shape_of(&qwen3_5()).unwrap().cache.state_values(), 6 * state);
}

#[test]
fn impossible_values_of_hybrids_are_named() {
    let cases = [
        (json!({"linear_num_key_heads": 3}), "`text_config.linear_num_value_heads`"),
        (json!({"linear_key_head_dim": 0}), "`text_config.linear_key_head_dim`"),
        (json!({"linear_value_head_dim": 1 << 30}), "`text_config.linear_value_head_dim`"),
        (json!({"linear_conv_kernel_dim": 1_000_000}), "`text_config.linear_conv_kernel_dim`"),
        (json!({"full_attention_interval": 0}), "`text_config.full_attention_interval`"),
        (json!({"attn_output_gate": false}), "`text_config.attn_output_gate`"),
        (
            json!({"rope_parameters": {"partial_rotary_factor": 1.5}}),
            "`text_config.rope_parameters.partial_rotary_factor`",
        ),
    ];
    for (changes, name) in cases {
        let text = with(qwen3_5()["text_config"].clone(), changes.clone());
        let message = refusal(&json!({"model_type": "qwen3_5", "text_config": text}));
        assert!(message.contains(name), "{changes}: {message}");
    }
    let cases = [
        (json!({"hybrid_override_pattern": "M*-X"}), "`hybrid_override_pattern`"),
        (json!({"hybrid_override_pattern": ""}), "`hybrid_override_pattern`"),
        (json!({"hybrid_override_pattern": null}), "`hybrid_override_pattern`"),
        (json!({"n_groups": 3}), "`n_groups`"),
        (json!({"mamba_head_dim": -1}), "`mamba_head_dim`"),
        (json!({"time_step_limit": [1.0, 0.5]}), "`time_step_limit`"),
        (json!({"n_group": 3}), "`n_group`"),
        (json!({"mlp_hidden_act": "silu"}), "`mlp_hidden_act`"),
    ];
    for (changes, name) in cases {
        let message = refusal(&with(nemotron_h(), changes.clone()));
        assert!(message.contains(name), "{changes}: {message}");
    }
    let lfm2 = with(
        llama(),
        json!({
            "model_type": "lfm2", "norm_eps": 1e-5, "conv_L_cache": 3, "num_hidden_layers": 2,
            "layer_types": ["conv", "full_attention"]
        }),
    );
    shape_of(&lfm2).unwrap();
    let cases = [
        (json!({"conv_L_cache": 0}), "`conv_L_cache`"),
        (json!({"layer_types": ["conv"]}), "`layer_types`"),
        (json!({"full_attn_idxs": [2]}), "`full_attn_idxs`"),
        (json!({"layer_types": null}), "`layer_types`"),
        (json!({"norm_eps": null}), "`norm_eps`"),
    ];
    for (changes, name) in cases {
        let message = refusal(&with(lfm2.clone(), changes.clone()));
        assert!(message.contains(name), "{changes}: {message}");
    }
}

/// Returns the configuration of a parity case.
fn parity_case(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/fixtures");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect("it is text");
    let mut golden: Value = serde_json::from_str(&text).expect("it is JSON");
    golden["config"].take()
}

#[test]
fn impossible_packs_are_named() {
    let pack = parity_case("prism_hadamard_qwen35-plain-f32");
    shape_of(&pack).unwrap();
    let module = |changes: Value| {
        let usual =
            json!({"path": "lm_head", "block": 512, "embedding": false, "dtype": "float16"});
        json!({"modules": [with(usual, changes)]})
    };
    shape_of(&with(pack.clone(), module(json!({})))).unwrap();
    let twice = module(json!({}));
    let twice = [&twice["modules"][0]; 2];
    let cases = [
        (json!({"schema_version": 0}), "`schema_version`"),
        (json!({"schema_version": 3}), "`schema_version`"),
        (json!({"schema_version": 1}), "`tensor_namespace`"),
        (json!({"tensor_namespace": null}), "`tensor_namespace`"),
        (json!({"gdn_activation_layout": "flat"}), "`gdn_activation_layout`"),
        (
            json!({"quantization": {"bits": 4, "group_size": 128, "mode": "affine"}}),
            "`quantization`",
        ),
        (json!({"quantization": null}), "`quantization`"),
        (json!({"text_config": null}), "`text_config`"),
        (json!({"modules": null}), "`modules`"),
        (json!({"modules": []}), "`modules`"),
        (json!({"modules": vec![0; 100_000]}), "`modules`"),
        (json!({"modules": twice}), "`modules[1]`"),
        (module(json!({"path": 7})), "`modules[0]`"),
        (module(json!({"block": 256})), "`modules[0]`"),
        (module(json!({"block": 1_u64 << 40})), "`modules[0]`"),
        (module(json!({"embedding": true})), "`modules[0]`"),
        (module(json!({"dtype": "bfloat16"})), "`modules[0]`"),
    ];
    for (changes, name) in cases {
        let message = refusal(&with(pack.clone(), changes.clone()));
        assert!(message.contains(name), "{changes}: {message}");
    }
    let text = with(pack["text_config"].clone(), json!({"num_experts": 8}));
    let message = refusal(&with(pack, json!({"text_config": text})));
    assert!(message.contains("`text_config.num_experts`"), "{message}");
}

#[test]
fn impossible_convolutions_blocks_and_shared_layers_are_named() {
    let cases = [
        ("baichuan_m1", json!({"conv_window": 3}), "`conv_window`"),
        ("baichuan_m1", json!({"conv_window": null}), "`conv_window`"),
        ("baichuan_m1", json!({"sliding_window_layers": [3]}), "`sliding_window_layers`"),
        ("baichuan_m1", json!({"sliding_window_layers": [-1]}), "`sliding_window_layers`"),
        ("baichuan_m1", json!({"sliding_window_layers": null}), "`sliding_window_layers`"),
        ("baichuan_m1", json!({"num_swa_key_value_heads": 3}), "`num_swa_key_value_heads`"),
        ("baichuan_m1", json!({"num_swa_attention_heads": 128}), "`hidden_size`"),
        ("baichuan_m1", json!({"tie_word_embeddings": true}), "`tie_word_embeddings`"),
        ("gear", json!({"conv_L_cache": 0}), "`conv_L_cache`"),
        ("gear", json!({"conv_L_cache": 1 << 20}), "`conv_L_cache`"),
        ("gear", json!({"layer_types": ["conv_mixer"]}), "`layer_types`"),
        ("gear", json!({"layer_types": vec!["mamba"; 4]}), "`mamba`"),
        ("gear", json!({"attn_logit_softcapping": -1}), "`attn_logit_softcapping`"),
        ("gear", json!({"use_bidirectional_attention": true}), "`use_bidirectional_attention`"),
        ("gear", json!({"hidden_activation": "relu"}), "`relu`"),
        ("afm7", json!({"num_kv_reuse_layers": 4}), "`num_kv_reuse_layers`"),
        ("afm7", json!({"num_kv_reuse_layers": null}), "`num_kv_reuse_layers`"),
        ("afm7", json!({"num_kv_heads": 3}), "`num_kv_heads`"),
        ("afm7", json!({"num_heads": 6}), "`hidden_dim`"),
        ("afm7", json!({"hidden_dim_scale_factor": 1e300}), "`hidden_dim_scale_factor`"),
        ("afm7", json!({"hidden_dim_scale_factor": 1e-9}), "`hidden_dim_scale_factor`"),
        ("phi3small", json!({"blocksparse_block_size": 48}), "`blocksparse_block_size`"),
        ("phi3small", json!({"blocksparse_num_local_blocks": 0}), "`blocksparse_num_local_blocks`"),
        ("phi3small", json!({"blocksparse_vert_stride": 0}), "`blocksparse_vert_stride`"),
        (
            "phi3small",
            json!({"dense_attention_every_n_layers": 0}),
            "`dense_attention_every_n_layers`",
        ),
        ("phi3small", json!({"gegelu_limit": null}), "`gegelu_limit`"),
        ("phi3small", json!({"mup_width_multiplier": -1}), "`mup_width_multiplier`"),
        ("phi3small", json!({"num_key_value_heads": null}), "`num_key_value_heads`"),
    ];
    for (model_type, changes, name) in cases {
        let config = parity_case(&format!("{model_type}-plain-f32"));
        shape_of(&config).unwrap();
        let message = refusal(&with(config, changes.clone()));
        assert!(message.contains(name), "{model_type} {changes}: {message}");
    }
}

#[test]
fn layers_that_share_or_convolve_have_the_caches_that_they_need() {
    let layers = |name| shape_of(&parity_case(name)).unwrap().cache.layers;
    let page = |kv_heads, head_dim, window| LayerCache::Pages {
        kv_heads,
        head_dim,
        value_dim: head_dim,
        window,
    };
    let state = |values| LayerCache::State { values };
    let expected = [
        page(2, 32, None),
        state(2 * 64),
        page(4, 16, Some(20)),
        state(2 * 64),
        page(2, 32, None),
        state(2 * 64),
    ];
    assert_eq!(layers("baichuan_m1-plain-f32"), expected);
    let mixer = state(2 * 2 * 96);
    let expected = [mixer, page(2, 48, Some(20)), mixer, page(2, 48, None)];
    assert_eq!(layers("gear-plain-f32"), expected);
    assert_eq!(layers("afm7-plain-f32"), [page(2, 32, None); 2]);
}

#[test]
fn qwen2_reads_its_window_only_if_it_is_enabled() {
    let qwen2 = with(llama(), json!({"model_type": "qwen2", "sliding_window": 0}));
    shape_of(&qwen2).unwrap();
    let on = with(qwen2, json!({"use_sliding_window": true, "max_window_layers": 2}));
    assert!(refusal(&on).contains("`sliding_window`"));
    let above = with(on, json!({"max_window_layers": 30}));
    shape_of(&above).unwrap();
}

#[test]
fn a_model_can_say_which_tensors_it_consists_of() {
    let mut needs = tensors(&llama()).unwrap();
    // SmolLM2-135M, whose checkpoint holds 272 tensors of 134,515,008 numbers.
    assert_eq!(needs.len(), 272);
    let numbers = |kind: &TensorKind| match kind {
        TensorKind::Matrix { rows, cols } => rows * cols,
        TensorKind::Stack { count, rows, cols } => count * rows * cols,
        TensorKind::Floats(shape) => shape.iter().product(),
    };
    assert_eq!(needs.iter().map(|need| numbers(&need.kind)).sum::<usize>(), 134_515_008);
    let kind = |needs: &[mlxk_models::TensorNeed], name: &str| {
        needs.iter().find(|need| need.name == name).map(|need| need.kind.clone())
    };
    let matrix = TensorKind::Matrix { rows: 192, cols: 576 };
    assert_eq!(kind(&needs, "model.layers.29.self_attn.v_proj.weight"), Some(matrix));
    assert_eq!(kind(&needs, "lm_head.weight"), None);
    let mixture = json!({
        "model_type": "qwen3_moe", "tie_word_embeddings": false, "num_experts": 8,
        "moe_intermediate_size": 96, "num_experts_per_tok": 2
    });
    needs = tensors(&with(llama(), mixture)).unwrap();
    let stack = TensorKind::Stack { count: 8, rows: 576, cols: 96 };
    assert_eq!(kind(&needs, "model.layers.0.mlp.switch_mlp.down_proj.weight"), Some(stack));
    let head = TensorKind::Matrix { rows: 49152, cols: 576 };
    assert_eq!(kind(&needs, "lm_head.weight"), Some(head));
}

/// Returns the configuration of a parity case of each model type.
fn every_family() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/fixtures");
    let entries = std::fs::read_dir(folder).expect("the fixtures are there");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it has a name").path()).collect();
    names.sort();
    let mut configs: Vec<Value> = vec![];
    for path in names {
        let text = std::fs::read_to_string(path).expect("it is text");
        let mut golden: Value = serde_json::from_str(&text).expect("it is JSON");
        let config = golden["config"].take();
        if configs.iter().all(|known| known["model_type"] != config["model_type"]) {
            configs.push(config);
        }
    }
    configs
}

#[test]
fn no_value_of_any_key_of_any_family_is_a_panic_or_a_riddle() {
    let strange = [
        json!(0),
        json!(-1),
        json!(1),
        json!(3),
        json!(0.5),
        json!(1e18),
        json!(1_u64 << 20),
        json!("x"),
        json!(""),
        json!([]),
        json!([0]),
        json!([1e300, -1]),
        json!({}),
        json!(true),
        json!(null),
        json!({"type": "yarn", "factor": 1e300}),
        json!({"rope_type": []}),
    ];
    let mut refused = 0;
    for config in every_family() {
        shape_of(&config).unwrap();
        let pointers = ["", "/text_config"];
        for pointer in pointers {
            let Some(Value::Object(object)) = config.pointer(pointer) else { continue };
            for key in object.keys().filter(|key| *key != "model_type") {
                for value in &strange {
                    let mut config = config.clone();
                    config.pointer_mut(pointer).unwrap()[key] = value.clone();
                    if let Err(error) = shape_of(&config) {
                        let message = error.to_string();
                        assert!(!message.contains('\n'), "{key} = {value}: {message}");
                        assert!(message.len() < 300, "{key} = {value}: {message}");
                        assert!(message.contains('`'), "{key} = {value}: {message}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 5000, "only {refused} values were refused");
}

/// Returns the configuration of a golden.
fn golden(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/fixtures");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect("it is there");
    serde_json::from_str::<Value>(&text).expect("it is JSON")["config"].take()
}

#[test]
fn impossible_values_of_mixtures_and_indexers_are_named() {
    let cases = [
        ("dbrx-plain-f32", "/attn_config", json!({"clip_qkv": 0}), "`attn_config.clip_qkv`"),
        ("dbrx-plain-f32", "/attn_config", json!({"clip_qkv": null}), "`attn_config.clip_qkv`"),
        ("dbrx-plain-f32", "/attn_config", json!({"kv_n_heads": 3}), "`attn_config.kv_n_heads`"),
        ("dbrx-plain-f32", "/ffn_config", json!({"moe_top_k": 7}), "`ffn_config.moe_top_k`"),
        (
            "dbrx-plain-f32",
            "/ffn_config",
            json!({"ffn_act_fn": {"name": "gelu"}}),
            "`ffn_config.ffn_act_fn.name`",
        ),
        (
            "dbrx-plain-f32",
            "/ffn_config",
            json!({"moe_normalize_expert_weights": 2}),
            "`ffn_config.moe_normalize_expert_weights`",
        ),
        ("dbrx-plain-f32", "", json!({"ffn_config": null}), "`ffn_config`"),
        ("dbrx-plain-f32", "", json!({"d_model": 130}), "`d_model`"),
        ("longcat_flash-plain-f32", "", json!({"moe_topk": 11}), "`moe_topk`"),
        ("longcat_flash-plain-f32", "", json!({"zero_expert_num": null}), "`zero_expert_num`"),
        ("longcat_flash-plain-f32", "", json!({"zero_expert_num": -1}), "`zero_expert_num`"),
        ("longcat_flash-plain-f32", "", json!({"zero_expert_type": "copy"}), "`zero_expert_type`"),
        ("longcat_flash-plain-f32", "", json!({"mla_scale_q_lora": false}), "`mla_scale_q_lora`"),
        ("longcat_flash-plain-f32", "", json!({"q_lora_rank": null}), "`q_lora_rank`"),
        ("longcat_flash_ngram-plain-f32", "", json!({"emb_neighbor_num": 1}), "`emb_neighbor_num`"),
        ("longcat_flash_ngram-plain-f32", "", json!({"emb_split_num": 65}), "`emb_split_num`"),
        (
            "longcat_flash_ngram-plain-f32",
            "",
            json!({"ngram_vocab_size_ratio": 1 << 24}),
            "`ngram_vocab_size_ratio`",
        ),
        ("deepseek_v32-plain-f32", "", json!({"index_topk": 0}), "`index_topk`"),
        ("deepseek_v32-plain-f32", "", json!({"index_n_heads": 1 << 20}), "`index_n_heads`"),
        ("deepseek_v32-plain-f32", "", json!({"index_head_dim": 8}), "`index_head_dim`"),
        ("deepseek_v32-plain-f32", "", json!({"q_lora_rank": null}), "`q_lora_rank`"),
        ("glm_moe_dsa-plain-f32", "", json!({"rope_parameters": null}), "`rope_parameters`"),
        (
            "glm_moe_dsa-plain-f32",
            "/rope_parameters",
            json!({"rope_theta": null}),
            "`rope_parameters.rope_theta`",
        ),
    ];
    for (name, place, changes, key) in cases {
        let mut config = golden(name);
        shape_of(&config).unwrap();
        let object = config.pointer_mut(place).expect("the golden has it");
        *object = with(object.take(), changes.clone());
        let message = refusal(&config);
        assert!(message.contains(key), "{name}, {changes}: {message}");
    }
}

#[test]
fn an_indexer_keeps_keys_without_values() {
    let shape = shape_of(&golden("deepseek_v32-plain-f32")).unwrap();
    let pages =
        |head_dim, value_dim| LayerCache::Pages { kv_heads: 1, head_dim, value_dim, window: None };
    assert_eq!(shape.cache.layers, [pages(64 + 16, 64), pages(32, 0)].repeat(3));
    // Two attentions in a layer, behind the ids of earlier tokens.
    let shape = shape_of(&golden("longcat_flash_ngram-plain-f32")).unwrap();
    let ids = LayerCache::State { values: 16 };
    assert_eq!(shape.cache.layers, [vec![ids], vec![pages(64 + 16, 64); 4]].concat());
    let kinds = |name: &str| {
        let mixers = mlxk_models::registry::mixers(&golden(name)).unwrap();
        mixers.iter().map(|mixers| (mixers.kind, mixers.count)).collect::<Vec<_>>()
    };
    assert_eq!(kinds("glm_moe_dsa-plain-f32"), [("sparse latent attention", 3)]);
    assert_eq!(kinds("longcat_flash-plain-f32"), [("latent attention", 4)]);
}
