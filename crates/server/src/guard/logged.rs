//! Reasons of refusals for the log, without what users wrote.

use crate::error::{ApiError, Kind};

/// Returns the message as the log may have it. An invalid request may quote a prompt, so that only the names of its
/// field and its model stay.
pub(crate) fn reason(error: &ApiError) -> String {
    if error.kind != Kind::BadRequest {
        return error.message.clone();
    }
    let known = [error.param.as_deref(), error.model.as_deref()];
    without_quotes(&without_names(&error.message, known))
}

/// Replaces everything between the first and the last quotation mark, because a quoted text may contain more of them.
fn without_quotes(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}\"…\"{}", &text[..first], &text[last + 1..])
        }
        (Some(first), _) => format!("{}\"…", &text[..first]),
        _ => text.to_owned(),
    }
}

/// Replaces words in backticks that are neither the name of the field nor that of the model.
fn without_names(text: &str, known: [Option<&str>; 2]) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let kept = parts.iter().enumerate().map(|(index, part)| {
        let is_inside = index % 2 == 1;
        if is_inside && !known.contains(&Some(*part)) { "…" } else { part }
    });
    kept.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_user_wrote_is_logged() {
        for (field, message, logged) in [
            (
                "messages",
                "`messages` is the text \"he said \"hunter2\" and...\", but must be a list",
                "`messages` is the text \"…\", but must be a list",
            ),
            (
                "messages[0].role",
                "`messages[0].role` is `hunter2`, but must be one of `user`, `system`",
                "`messages[0].role` is `…`, but must be one of `…`, `…`",
            ),
            ("messages", "`messages` is the text \"hunter2", "`messages` is the text \"…"),
        ] {
            assert_eq!(reason(&ApiError::field(field, message)), logged);
        }
        let refused =
            ApiError::field("tools", "`tools`: the model `org/a` does not support tools: `x`");
        let expected = "`tools`: the model `org/a` does not support tools: `…`";
        assert_eq!(reason(&refused.about("org/a")), expected);
        let unknown = ApiError::new(Kind::NoModel, "The model `x` is not on this server");
        assert_eq!(reason(&unknown), unknown.message);
    }
}
