//! The input for preparing an engine.

use mlxk_bench::compare::Settings;
use mlxk_providers::Connections;

use super::names::Names;
use crate::Context;
use crate::args::CompareArgs;

/// Everything that is needed to prepare an engine.
pub(super) struct Preparing<'a> {
    pub(super) args: &'a CompareArgs,
    pub(super) names: &'a Names,
    pub(super) settings: &'a Settings,
    pub(super) http: &'a Connections,
    pub(super) context: &'a Context,
}
