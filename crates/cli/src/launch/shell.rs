//! Commands as a user types them in a shell.

use std::fmt::Write as _;

use super::{KEY, Plan, System, Variable, VariableValue};

/// Returns lines for a shell that start the program with the variables and arguments of the plan. On Windows they
/// are for PowerShell.
pub(crate) fn lines(program: &str, plan: &Plan, arguments: &[String], system: System) -> String {
    let mut out = String::new();
    // Writing to a text can't fail.
    for variable in &plan.variables {
        let (name, value) = (variable.name, value(variable, system));
        let _ = match system {
            System::Windows => writeln!(out, "$env:{name} = {value}"),
            System::Linux | System::MacOs => writeln!(out, "export {name}={value}"),
        };
    }
    let words = [program].into_iter().map(str::to_owned);
    let words = words.chain(plan.arguments.iter().chain(arguments).cloned());
    let words: Vec<String> = words.map(|word| quoted(&word, system)).collect();
    let _ = writeln!(out, "{}", words.join(" "));
    out
}

fn value(variable: &Variable, system: System) -> String {
    match (&variable.value, system) {
        // PowerShell takes a bare word for a command.
        (VariableValue::Text(text), System::Windows) => in_quotes(text, system),
        (VariableValue::Text(text), _) => quoted(text, system),
        (VariableValue::Key, System::Windows) => format!("$env:{KEY}"),
        (VariableValue::Key, _) => format!("\"${KEY}\""),
    }
}

/// Returns a word that the shell takes literally.
pub(crate) fn quoted(word: &str, system: System) -> String {
    let others = if system == System::Windows { "-_./:\\=" } else { "-_./:=@,+%" };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        in_quotes(word, system)
    }
}

fn in_quotes(word: &str, system: System) -> String {
    let escaped = if system == System::Windows { "''" } else { "'\\''" };
    format!("'{}'", word.replace('\'', escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell_and_the_key_stays_out() {
        let key = Variable { name: "TOKEN", value: VariableValue::Key };
        let plan = Plan {
            variables: vec![Variable::new("URL", "http://a:1"), key],
            arguments: vec!["--model".to_owned(), "it's".to_owned(), String::new()],
            ..Plan::default()
        };
        assert_eq!(
            lines("x", &plan, &["$a".to_owned()], System::Linux),
            "export URL=http://a:1\nexport TOKEN=\"$MLXK_API_KEY\"\nx --model 'it'\\''s' '' '$a'\n"
        );
        assert_eq!(
            lines("x", &plan, &[], System::Windows),
            "$env:URL = 'http://a:1'\n$env:TOKEN = $env:MLXK_API_KEY\nx --model 'it''s' ''\n"
        );
    }
}
