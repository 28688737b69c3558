//! Tools of a request: functions, tools with a text as input, and groups of tools.

use std::collections::HashMap;

use mlxk_engine::{ToolChoice, Tools};
use serde_json::{Value, json};

use crate::body::Reading;
use crate::error::{ApiError, cleaned};
use crate::exchange::tools;

/// Parameter of a tool that takes one text.
const INPUT: &str = "input";
/// Text between the name of a group and the name of a tool in it.
const OF_GROUP: &str = "__";

/// The tools, and the way back from the names that the model sees.
#[derive(Default)]
pub(super) struct Offered {
    pub(super) tools: Option<Tools>,
    pub(super) kinds: Kinds,
}

/// Tools by the names that the model sees.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds(HashMap<String, Known>);

/// A tool as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    /// Group that the tool belongs to.
    pub(super) namespace: Option<String>,
    /// `true` if the tool takes one text.
    pub(super) is_custom: bool,
}

impl Kinds {
    /// Returns the tool that the model calls `name`.
    pub(super) fn get(&self, name: &str) -> Known {
        let plain = || Known { name: name.to_owned(), namespace: None, is_custom: false };
        self.0.get(name).cloned().unwrap_or_else(plain)
    }

    /// Returns the text that the arguments of a tool with one text consist of.
    pub(super) fn custom_input(arguments: &str) -> String {
        let parsed: Value = serde_json::from_str(arguments).unwrap_or_default();
        parsed[INPUT].as_str().unwrap_or(arguments).to_owned()
    }

    /// Returns the arguments of a tool that takes one text.
    pub(super) fn custom_arguments(input: &str) -> Value {
        json!({ INPUT: input })
    }

    /// Returns the name that the model sees.
    pub(super) fn seen_name(name: &str, namespace: Option<&str>) -> String {
        namespace.map_or_else(|| name.to_owned(), |group| format!("{group}{OF_GROUP}{name}"))
    }
}

/// Reads the tools. Those that OpenAI runs itself are left out and reported.
pub(super) fn offered(
    list: &[Value],
    choice: Option<&Value>,
    parallel: bool,
    reading: &Reading,
) -> Result<Offered, ApiError> {
    let mut found = Offered::default();
    let mut functions = Vec::new();
    for (index, tool) in list.iter().enumerate() {
        let place = format!("tools[{index}]");
        match tool["type"].as_str() {
            Some("namespace") => {
                let group = tool["name"].as_str().unwrap_or_default();
                for inner in tool["tools"].as_array().into_iter().flatten() {
                    add(inner, Some(group), &place, &mut functions, &mut found.kinds)?;
                }
            }
            Some("function" | "custom") | None => {
                add(tool, None, &place, &mut functions, &mut found.kinds)?;
            }
            Some(_) => reading.unknown(vec![place])?,
        }
    }
    let choice = tool_choice(choice, &mut functions, &found.kinds)?;
    found.tools = tools::tools(functions, choice, parallel)?;
    Ok(found)
}

fn add(
    tool: &Value,
    namespace: Option<&str>,
    place: &str,
    functions: &mut Vec<Value>,
    kinds: &mut Kinds,
) -> Result<(), ApiError> {
    // Some clients nest the function as in chats.
    let fields = tool.get("function").unwrap_or(tool);
    let Some(name) = fields["name"].as_str() else {
        return Err(ApiError::missing(&format!("{place}.name")));
    };
    let is_custom = tool["type"] == "custom";
    let parameters = if is_custom {
        let text = json!({"type": "string"});
        json!({"type": "object", "properties": {INPUT: text}, "required": [INPUT]})
    } else {
        fields["parameters"].clone()
    };
    let description = fields["description"].as_str().map(str::to_owned);
    let description = match (description, custom_format(tool)) {
        (Some(text), Some(format)) => Some(format!("{text}\n\n{format}")),
        (text, format) => text.or(format),
    };
    let seen = Kinds::seen_name(name, namespace);
    functions.push(tools::function(&seen, description.as_deref(), Some(parameters)));
    if is_custom || namespace.is_some() {
        let namespace = namespace.map(str::to_owned);
        kinds.0.insert(seen, Known { name: name.to_owned(), namespace, is_custom });
    }
    Ok(())
}

/// Returns the grammar of a tool's text, which only the model can follow.
fn custom_format(tool: &Value) -> Option<String> {
    let definition = tool["format"]["definition"].as_str()?;
    let syntax = tool["format"]["syntax"].as_str().unwrap_or("lark");
    Some(format!("The input has to match this {syntax} grammar:\n{definition}"))
}

/// Reads `tool_choice`. Tools that it excludes are removed.
fn tool_choice(
    choice: Option<&Value>,
    functions: &mut Vec<Value>,
    kinds: &Kinds,
) -> Result<ToolChoice, ApiError> {
    let Some(choice) = choice else { return Ok(ToolChoice::Auto) };
    let refuse = || {
        let message = "`tool_choice` must be `none`, `auto`, `required`, or name a tool";
        ApiError::field("tool_choice", message)
    };
    let seen = |named: &Value| {
        let name = named["name"].as_str().or_else(|| named["function"]["name"].as_str())?;
        let is_it = |(_, known): &(&String, &Known)| known.name == name;
        let in_group = || kinds.0.iter().find(is_it).map(|(seen, _)| seen.clone());
        let is_plain = functions.iter().any(|function| function["function"]["name"] == name);
        Some(if is_plain { name.to_owned() } else { in_group().unwrap_or_else(|| name.to_owned()) })
    };
    let wanted = match (choice.as_str(), choice["type"].as_str()) {
        (Some("none"), _) => ToolChoice::None,
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("required"), _) => ToolChoice::Required,
        (_, Some("function" | "custom")) => ToolChoice::Named(seen(choice).ok_or_else(refuse)?),
        (_, Some("allowed_tools")) => {
            let allowed: Vec<String> =
                choice["tools"].as_array().into_iter().flatten().filter_map(seen).collect();
            functions.retain(|function| {
                let name = function["function"]["name"].as_str().unwrap_or_default();
                allowed.iter().any(|allowed| allowed == name)
            });
            if choice["mode"] == "required" { ToolChoice::Required } else { ToolChoice::Auto }
        }
        (_, Some(kind)) => {
            let kind = cleaned(kind, 40);
            let message = format!("`tool_choice`: the server has no tool of the type `{kind}`");
            return Err(ApiError::field("tool_choice", message));
        }
        _ => return Err(refuse()),
    };
    if functions.is_empty() && !matches!(wanted, ToolChoice::Auto | ToolChoice::None) {
        let message = "`tool_choice` asks for a call, but there are no `tools`";
        return Err(ApiError::field("tool_choice", message));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &Value, choice: &Value) -> Result<Offered, ApiError> {
        let list = list.as_array().unwrap();
        offered(list, Some(choice), true, &Reading::default())
    }

    #[test]
    fn groups_and_texts_have_a_way_back() {
        let found = read(
            &json!([
                {"type": "function", "name": "f", "parameters": {"type": "object"}},
                {"type": "custom", "name": "patch", "format": {"syntax": "lark", "definition": "start: X"}},
                {"type": "namespace", "name": "mcp", "tools": [{"type": "function", "name": "g"}]},
                {"type": "web_search"},
            ]),
            &json!("auto"),
        )
        .unwrap();
        let list = found.tools.unwrap().list;
        let names: Vec<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["function"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["f", "patch", "mcp__g"]);
        assert!(list[1]["function"]["description"].as_str().unwrap().contains("start: X"));
        let group = Some("mcp".to_owned());
        let g = Known { name: "g".to_owned(), namespace: group, is_custom: false };
        assert_eq!(found.kinds.get("mcp__g"), g);
        assert!(found.kinds.get("patch").is_custom && !found.kinds.get("f").is_custom);
        assert_eq!(Kinds::custom_input(r#"{"input": "a\nb"}"#), "a\nb");
    }

    #[test]
    fn choices_leave_tools_out() {
        let tools =
            || json!([{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]);
        let some = json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]});
        let found = read(&tools(), &some).unwrap().tools.unwrap();
        assert_eq!((found.list.as_array().unwrap().len(), found.choice), (1, ToolChoice::Required));
        let none = read(&tools(), &json!("none")).unwrap().tools.unwrap();
        assert_eq!(none.choice, ToolChoice::None);
        let named =
            read(&tools(), &json!({"type": "function", "name": "f"})).unwrap().tools.unwrap();
        assert_eq!(named.choice, ToolChoice::Named("f".to_owned()));
        for choice in
            [json!({"type": "function", "name": "h"}), json!({"type": "file_search"}), json!(3)]
        {
            assert!(read(&tools(), &choice).is_err());
        }
    }
}
