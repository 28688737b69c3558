use std::ops::ControlFlow;

use mlxk_format::Checkpoint;

use super::*;
use crate::kernels::WeightForms;

fn form(name: &str) -> WeightForm {
    name.parse::<WeightForms>().unwrap().0[0]
}

fn tiny(model_type: &str) -> Value {
    json!({
        "model_type": model_type, "hidden_size": 128, "intermediate_size": 192,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "max_position_embeddings": 128,
        "tie_word_embeddings": true, "vocab_size": 320, "eos_token_id": 7,
        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64
    })
}

/// Writes a configuration into a folder of its own.
fn config_in(folder: &Path, config: &Value) -> String {
    let path = folder.join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn written(config: &Value, form_name: &str) -> (Synthetic, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let shape = config_in(folder.path(), config);
    let model = Synthetic::new(&shape, form(form_name)).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut last = (0, 0);
    model
        .write(out.path(), &mut |done, total| {
            last = (done, total);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(last, (model.weights_bytes(), model.weights_bytes()));
    (model, out)
}

#[test]
fn a_model_in_every_form_holds_the_same_weights() {
    let name = "model.layers.1.mlp.down_proj";
    let (_, folder) = written(&tiny("qwen2"), "f32");
    let exact = Checkpoint::open(folder.path()).unwrap().weight(name, 128, 192).unwrap();
    let exact = exact.dequantize();
    for (form, steps) in
        [("8:64", 150.0), ("4:32", 15.0), ("mxfp8", 16.0), ("nvfp4", 6.0), ("f16", 4096.0)]
    {
        let (model, folder) = written(&tiny("qwen2"), form);
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.size_bytes(), model.weights_bytes(), "{form}");
        let found = checkpoint.weight(name, 128, 192).unwrap().dequantize();
        let range = 2.0 * (3.0_f32 / 192.0).sqrt();
        for (found, exact) in found.iter().zip(&exact) {
            assert!((found - exact).abs() <= range / steps, "{form}: {found} {exact}");
        }
    }
}

#[test]
fn what_cannot_be_quantized_stays_dense_and_routers_have_their_own_bits() {
    let (_, folder) = written(&tiny("qwen3_moe"), "4:128");
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let mode = |path: &str, rows, cols| checkpoint.weight(path, rows, cols).unwrap().mode();
    assert_eq!(mode("model.layers.0.mlp.gate", 4, 128), Mode::affine(8, 64));
    assert_eq!(mode("model.layers.0.self_attn.q_proj", 128, 128), Mode::affine(4, 128));
    let down = "model.layers.0.mlp.switch_mlp.down_proj";
    assert_eq!(checkpoint.weight_stack(down, 4, 128, 64).unwrap().mode(), None);
}

#[test]
fn the_engine_runs_it() {
    use mlxk_engine::{CpuOptions, DeviceChoice, Engine, LoadOptions, PromptInput, Request};
    let (_, folder) = written(&tiny("llama"), "4:64");
    let device = DeviceChoice::Cpu(CpuOptions { threads: Some(1), ..CpuOptions::default() });
    let options = LoadOptions { device, ..LoadOptions::new(folder.path()) };
    let engine = Engine::load(&options, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let request =
        |prompt| Request { max_tokens: Some(3), ignore_eos: true, ..Request::new(prompt) };
    let prompt = PromptInput::Tokens(vec![319, 0, 5]);
    let (_, done) = engine.submit(request(prompt)).unwrap().wait().unwrap();
    assert_eq!(done.usage.completion_tokens, 3);
    assert_eq!(engine.encode(&PromptInput::Text("math\n".into())).unwrap().len(), 4);
}

#[test]
fn as_gguf_it_is_the_same_model() {
    for model_type in ["llama", "qwen2", "qwen3"] {
        let (model, folder) = written(&tiny(model_type), "f32");
        let path = folder.path().join("model.gguf");
        model.write_gguf(&path, RowEncoding::F32, &mut |_, _| ControlFlow::Continue(())).unwrap();
        let imported = tempfile::tempdir().unwrap();
        let plan = mlxk_format::gguf::Plan::new(&path, &mlxk_models::gguf_architectures()).unwrap();
        plan.write(imported.path(), &mut |_, _| ControlFlow::Continue(())).unwrap();
        let theirs = Checkpoint::open(imported.path()).unwrap();
        let ours = Checkpoint::open(folder.path()).unwrap();
        let names =
            |checkpoint: &Checkpoint| checkpoint.names().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names(&theirs), names(&ours), "{model_type}");
        for need in mlxk_models::tensors(model.config()).unwrap() {
            let (theirs, ours) =
                (theirs.dense(&need.name).unwrap(), ours.dense(&need.name).unwrap());
            let rounded = matches!(need.kind, TensorKind::Floats(_));
            for (theirs, ours) in theirs.1.to_f32().iter().zip(ours.1.to_f32()) {
                // We store norms and biases in 16 bits, GGUF in 32.
                let error = (theirs - ours).abs();
                assert!(if rounded { error < 0.01 } else { error == 0.0 }, "{}", need.name);
            }
        }
    }
}

#[test]
fn presets_are_the_models_of_their_names() {
    let numbers = |name: &str| -> usize {
        let model = Synthetic::new(name, form("bf16")).unwrap();
        model.tensors.iter().map(|tensor| tensor.rows().0 * tensor.rows().1).sum()
    };
    // The counts of the publishers.
    for (name, expected) in [
        ("smollm2-135m", 134_515_008),
        ("Qwen2.5-Coder-1.5B", 1_543_714_304),
        ("qwen2.5-coder-0.5b", 494_032_768),
        ("qwen2.5-coder-7b", 7_615_616_512),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.2-3b", 3_212_749_824),
        ("llama-3.1-8b", 8_030_261_248),
        ("mistral-7b", 7_248_023_552),
        ("qwen3-0.6b", 596_049_920),
        ("qwen3-30b-a3b", 30_532_122_624),
    ] {
        assert_eq!(numbers(name), expected, "{name}");
    }
    assert_eq!(preset_names().count(), 12);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refusal = |shape: &str| Synthetic::new(shape, form("4:64")).unwrap_err().to_string();
    let unknown = refusal("qwen9-900b");
    assert!(unknown.contains("`qwen9-900b`") && unknown.contains("smollm2-135m"), "{unknown}");
    let folder = tempfile::tempdir().unwrap();
    let shape = config_in(folder.path(), &json!({"model_type": "plamo3"}));
    assert!(refusal(&shape).contains("`plamo3`"));
    let mut small = tiny("llama");
    small["vocab_size"] = 200.into();
    let shape = config_in(folder.path(), &small);
    let model = Synthetic::new(folder.path().to_str().unwrap(), form("4:64")).unwrap();
    let message = model.write(folder.path(), &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(message.to_string().contains("vocabulary"), "{message} {shape}");
    let (other, target) = (tiny("olmo2"), folder.path().join("x.gguf"));
    let model = Synthetic::new(&config_in(folder.path(), &other), form("4:64")).unwrap();
    let refused =
        model.write_gguf(&target, RowEncoding::Q4_0, &mut |_, _| ControlFlow::Continue(()));
    assert!(refused.unwrap_err().to_string().contains("`olmo2`") && !target.exists());
}
