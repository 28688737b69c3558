//! The models of this machine, whether in memory or not.

use mlxk_hub::{Look, ModelInfo};

use super::Models;
use crate::error::ApiError;

impl Models {
    /// Models that are whole and run here, by name.
    pub(crate) async fn catalog(&self) -> Result<Vec<ModelInfo>, ApiError> {
        let inner = std::sync::Arc::clone(&self.0);
        let read = move || {
            let config = &inner.config;
            let places = mlxk_hub::places(&config.locations)?;
            let look = Look { judge: &config.judge, thorough: false };
            let mut models = mlxk_hub::describe(&places, look);
            models.retain(ModelInfo::is_usable);
            models.sort_by(|a, b| a.name.cmp(&b.name));
            Ok::<_, ApiError>(models)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| ApiError::panicked())?
    }

    /// One model, described.
    pub(crate) async fn describe(&self, name: &str) -> Result<ModelInfo, ApiError> {
        let model = self.resolve(Some(name)).await?;
        let inner = std::sync::Arc::clone(&self.0);
        let read = move || {
            let look = Look { judge: &inner.config.judge, thorough: false };
            mlxk_hub::info(&model, look)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| ApiError::panicked())
    }
}
