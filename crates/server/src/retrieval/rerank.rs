//! `POST /rerank` and its other names.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::embed::RerankRequest;

use super::dto::{
    Document, Meta, Ranked, RankedDocument, Rerank, Scored, Text, Units, Usage, Version,
};
use crate::body::{Extras, Fields};
use crate::embeddings::{self, MAX_INPUTS};
use crate::error::ApiError;
use crate::ids;
use crate::json::Json;
use crate::state::Shared;

/// Fields that have no struct.
const EXTRAS: Extras = Extras {
    harmless: &["user", "priority", "truncation_direction", "max_chunks_per_doc"],
    unsupported: &[("rank_fields", "join the fields to one text per document")],
};

/// Ranks documents by a query, the best first.
pub(super) async fn rerank(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let mut asked: Rerank = fields.parse(EXTRAS)?;
    let query = asked.query.take().ok_or_else(|| ApiError::missing("query"))?;
    let as_texts = asked.texts.is_some();
    let documents: Vec<String> = match (asked.documents.take(), asked.texts.take()) {
        (Some(_), Some(_)) => {
            let message = "`texts` and `documents` exclude each other";
            return Err(ApiError::field("texts", message));
        }
        (Some(documents), None) => documents.into_iter().map(Document::into_text).collect(),
        (None, Some(texts)) => texts,
        (None, None) => return Err(ApiError::missing("documents")),
    };
    let field = if as_texts { "texts" } else { "documents" };
    check(field, &query, &documents, asked.top_n)?;
    let request = RerankRequest {
        query,
        documents: documents.clone(),
        instruction: asked.instruction,
        max_document_tokens: asked.max_tokens_per_doc,
        truncate: asked.truncate.unwrap_or(true),
    };
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let model = asked.model.take().unwrap_or_else(|| lease.name().to_owned());
    let ranking = embeddings::rerank(&state, lease, request).await?;
    let scores = match asked.raw_scores {
        Some(true) => ranking.logits.clone(),
        _ => ranking.scores(),
    };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Sigmoids of large logits are equal, the logits are not.
    order.sort_by(|&a, &b| ranking.logits[b].total_cmp(&ranking.logits[a]));
    order.truncate(asked.top_n.unwrap_or(usize::MAX));
    if as_texts {
        let wanted = asked.return_text == Some(true);
        let scored = order.into_iter().map(|index| Scored {
            index,
            score: scores[index],
            text: wanted.then(|| documents[index].clone()),
        });
        return Ok(Json(scored.collect::<Vec<_>>()).into_response());
    }
    let wanted = asked.return_documents == Some(true);
    let results = order.into_iter().map(|index| RankedDocument {
        index,
        relevance_score: scores[index],
        document: wanted.then(|| Text { text: documents[index].clone() }),
    });
    let ranked = Ranked {
        id: ids::fresh("rerank-"),
        object: "list",
        model,
        results: results.collect(),
        usage: Usage { prompt_tokens: ranking.tokens, total_tokens: ranking.tokens },
        meta: Meta {
            api_version: Version { version: "2" },
            billed_units: Units { search_units: 1 },
        },
    };
    Ok(Json(ranked).into_response())
}

fn check(
    field: &str,
    query: &str,
    documents: &[String],
    top_n: Option<usize>,
) -> Result<(), ApiError> {
    if query.is_empty() {
        return Err(ApiError::field("query", "`query` is empty"));
    }
    if documents.is_empty() {
        return Err(ApiError::field(field, format!("`{field}` is empty")));
    }
    if documents.len() > MAX_INPUTS {
        let count = documents.len();
        let message = format!("`{field}` has {count} texts, but at most {MAX_INPUTS} are possible");
        return Err(ApiError::field(field, message));
    }
    if top_n == Some(0) {
        return Err(ApiError::field("top_n", "`top_n` is 0, but at least 1 is needed"));
    }
    Ok(())
}
