//! Routes of other servers that this one does not offer, each with the reason.

const EMBEDDINGS: &str = "Send texts to `/v1/embeddings`";
const RANKING: &str = "Send a query and documents to `/v1/rerank`";
const TEXT_ONLY: &str = "Models on this server read and write text only";
const ANTHROPIC: &str = "This server offers `/v1/messages` and `/v1/messages/count_tokens`";
const ACCOUNTS: &str = "This server has no accounts and no services on the web";

/// Paths. One that ends with a slash stands for all below it.
const ROUTES: [(&str, &str); 18] = [
    ("/embedding", EMBEDDINGS),
    ("/v1/score", RANKING),
    ("/v1/messages/", ANTHROPIC),
    ("/v1/complete", ANTHROPIC),
    ("/v1/audio/", TEXT_ONLY),
    ("/v1/images/", TEXT_ONLY),
    ("/v1/moderations", "Moderation is not offered by this server"),
    ("/v1/assistants", "Assistants are not offered by this server"),
    ("/v1/threads", "Assistants are not offered by this server"),
    ("/v1/files", "Files are not offered by this server"),
    ("/v1/batches", "Batches are not offered by this server; use `mlxk run --batch`"),
    ("/v1/fine_tuning/", "Fine-tuning is not offered by this server"),
    ("/completion", "Send the prompt to `/v1/completions`"),
    ("/api/push", "This server does not push models; run `mlxk push` to upload one to the hub"),
    ("/api/me", ACCOUNTS),
    ("/api/signout", ACCOUNTS),
    ("/api/user/", ACCOUNTS),
    ("/api/experimental/", ACCOUNTS),
];

/// Returns the reason why a path is not offered, or `None` if no server is known to have it.
pub(crate) fn reason(path: &str) -> Option<&'static str> {
    let is_it = |route: &str| path == route || (route.ends_with('/') && path.starts_with(route));
    ROUTES.iter().find(|(route, _)| is_it(route)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_routes_have_a_reason() {
        assert_eq!(reason("/embedding"), Some(EMBEDDINGS));
        assert_eq!(reason("/v1/audio/transcriptions"), Some(TEXT_ONLY));
        assert_eq!(reason("/api/experimental/web_search"), Some(ACCOUNTS));
        assert_eq!(reason("/api/user/keys/abc"), Some(ACCOUNTS));
        assert_eq!(reason("/v1/frobnicate"), None);
        assert_eq!(reason("/v1/audio"), None);
    }
}
