//! Labels of models that `list` and `show` print.

use mlxk_hub::ModelInfo;

/// Returns the type of a model, like `chat` or `chat+vision`.
pub(super) fn type_label(model: &ModelInfo) -> String {
    let mut label = model.role.as_str().to_owned();
    for sense in ["vision", "audio"] {
        if label != sense && model.capabilities.contains(&sense) {
            label.push('+');
            label.push_str(sense);
        }
    }
    label
}
