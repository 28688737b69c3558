//! Tools of a request, in OpenAI's form, which is that of chat templates. Other dialects convert theirs to it.

use std::collections::HashSet;

use mlxk_engine::{ToolChoice, Tools};
use serde_json::{Map, Value, json};

use crate::error::{ApiError, cleaned};

/// Most characters of a tool's name.
const MAX_NAME: usize = 128;

/// Checks the tools of a request. Returns `None` if there are none.
pub(crate) fn tools(
    list: Vec<Value>,
    choice: ToolChoice,
    parallel: bool,
) -> Result<Option<Tools>, ApiError> {
    if list.is_empty() {
        return Ok(None);
    }
    let mut names = HashSet::new();
    let mut checked = Vec::with_capacity(list.len());
    for (index, tool) in list.into_iter().enumerate() {
        let tool = checked_tool(tool, &format!("tools[{index}]"))?;
        let name = tool["function"]["name"].as_str().unwrap_or_default().to_owned();
        if !names.insert(name.clone()) {
            let field = format!("tools[{index}].function.name");
            let message = format!("`{field}`: there are two tools with the name `{name}`");
            return Err(ApiError::field(field, message));
        }
        checked.push(tool);
    }
    if let ToolChoice::Named(name) = &choice
        && !names.contains(name)
    {
        let message =
            format!("`tool_choice`: there is no tool with the name `{}`", cleaned(name, MAX_NAME));
        return Err(ApiError::field("tool_choice", message));
    }
    Ok(Some(Tools { list: checked.into(), choice, parallel }))
}

/// Returns a tool in OpenAI's form. [`tools`] fills in what is `None`.
pub(crate) fn function(name: &str, description: Option<&str>, parameters: Option<Value>) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), name.into());
    if let Some(description) = description {
        function.insert("description".to_owned(), description.into());
    }
    if let Some(parameters) = parameters {
        function.insert("parameters".to_owned(), parameters);
    }
    json!({"type": "function", "function": function})
}

fn checked_tool(mut tool: Value, place: &str) -> Result<Value, ApiError> {
    let error = |field: String, problem: &str| {
        let message = format!("`{field}` {problem}");
        Err(ApiError::field(field, message))
    };
    // Some clients send the function alone.
    if tool.get("function").is_none() && tool["name"].is_string() {
        tool = json!({"type": "function", "function": tool});
    }
    match tool.get("type") {
        None | Some(Value::Null) => tool["type"] = "function".into(),
        Some(kind) if kind == "function" => {}
        Some(_) => return error(format!("{place}.type"), "must be `function`"),
    }
    let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) else {
        return Err(ApiError::missing(&format!("{place}.function")));
    };
    function.retain(|name, value| !(value.is_null() && name != "parameters"));
    match function.get("name").and_then(Value::as_str) {
        Some(name) if is_name(name) => {}
        Some(_) => {
            return error(
                format!("{place}.function.name"),
                "must have 1 to 128 letters, digits or `_`, `-`, `.`, `:`, `/`",
            );
        }
        None => return Err(ApiError::missing(&format!("{place}.function.name"))),
    }
    match function.get("parameters") {
        Some(Value::Object(_)) => {}
        None | Some(Value::Null) => {
            // Most templates print it.
            let none = json!({"type": "object", "properties": {}});
            function.insert("parameters".to_owned(), none);
        }
        Some(_) => {
            return error(format!("{place}.function.parameters"), "must be a JSON Schema object");
        }
    }
    Ok(tool)
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: Value) -> Result<Option<Tools>, ApiError> {
        let Value::Array(list) = list else { panic!("tools are a list") };
        tools(list, ToolChoice::Auto, true)
    }

    #[test]
    fn tools_get_one_form() {
        let found = read(json!([{"name": "a"}, {"function": {"name": "b", "parameters": null}}]));
        let list = found.unwrap().unwrap().list;
        let parameters = json!({"type": "object", "properties": {}});
        for (index, name) in ["a", "b"].into_iter().enumerate() {
            let function = json!({"name": name, "parameters": parameters});
            assert_eq!(list[index], json!({"type": "function", "function": function}));
        }
        assert_eq!(read(json!([])).unwrap(), None);
    }

    #[test]
    fn errors_name_the_place() {
        let named = |name: &str| json!({"type": "function", "function": {"name": name}});
        for (list, field) in [
            (json!([{"type": "function"}]), "tools[0].function"),
            (json!([{"type": "web_search", "function": {}}]), "tools[0].type"),
            (json!([named("a"), {"type": "function", "function": {}}]), "tools[1].function.name"),
            (json!([named("a b")]), "tools[0].function.name"),
            (json!([named("a"), named("a")]), "tools[1].function.name"),
            (
                json!([{"type": "function", "function": {"name": "a", "parameters": 3}}]),
                "tools[0].function.parameters",
            ),
        ] {
            assert_eq!(read(list).unwrap_err().param.as_deref(), Some(field));
        }
        let absent = tools(vec![named("a")], ToolChoice::Named("b".to_owned()), true);
        assert_eq!(absent.unwrap_err().param.as_deref(), Some("tool_choice"));
    }
}
