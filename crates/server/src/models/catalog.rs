//! The models of this machine, loaded or not.

use mlxk_hub::{Look, ModelInfo};

use super::Models;
use crate::blocking::blocking;
use crate::error::ApiError;

impl Models {
    /// Returns the models that are complete and supported, by name.
    pub(crate) async fn catalog(&self) -> Result<Vec<ModelInfo>, ApiError> {
        let inner = std::sync::Arc::clone(&self.0);
        let read = move || {
            let config = &inner.config;
            let places = mlxk_hub::places(&config.locations)?;
            let look = Look::quick(&config.judge, &config.small_files);
            let mut models = mlxk_hub::describe(&places, look);
            models.retain(ModelInfo::is_usable);
            models.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(models)
        };
        blocking(read).await
    }

    /// Describes a model.
    pub(crate) async fn describe(&self, name: &str) -> Result<ModelInfo, ApiError> {
        let model = self.resolve(Some(name)).await?;
        let inner = std::sync::Arc::clone(&self.0);
        let read = move || {
            let look = Look::quick(&inner.config.judge, &inner.config.small_files);
            Ok(mlxk_hub::info(&model, look))
        };
        blocking(read).await
    }
}
