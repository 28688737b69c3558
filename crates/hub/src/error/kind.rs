//! A word for each failure.

use std::io;

use super::HubError;

impl HubError {
    /// A word for the kind of failure, as MLX-Knife's JSON API has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadReference { .. }
            | Self::BadSetting { .. }
            | Self::BadWorkspace { .. }
            | Self::NotRepairable { .. }
            | Self::WillNotRun { .. }
            | Self::BadDerived { .. }
            | Self::BadModelfile { .. }
            | Self::DerivedCycle { .. }
            | Self::NameTaken { .. }
            | Self::TargetFull { .. } => "ValidationError",
            Self::NotFound { .. }
            | Self::Nowhere { .. }
            | Self::UnknownPair { .. }
            | Self::BadPath { .. }
            | Self::NotInOllama { .. }
            | Self::NothingToRemove { .. } => "model_not_found",
            Self::NotOurs { .. } => "workspace_model",
            Self::Locked { .. } => "locks_present",
            Self::NeedsConfirmation { .. } | Self::UnusedNeedsForce => "requires_confirmation",
            Self::ThroughLink { .. } => "deletion_failed",
            Self::NotImported { .. } => "model_not_cached",
            Self::BadTarget { .. } => "InvalidTargetError",
            Self::UnhealthyResult { .. } => "HealthCheckFailed",
            Self::Ambiguous { .. } | Self::AmbiguousRevision { .. } => "ambiguous_match",
            Self::NoRevisions { .. }
            | Self::NoSuchRevision { .. }
            | Self::RevisionNotHere { .. } => "hash_not_found",
            Self::Cancelled | Self::Declined { .. } | Self::RemovalDeclined { .. } => {
                "UserCancelledError"
            }
            Self::Offline { .. }
            | Self::NoPip { .. }
            | Self::PipFailed { .. }
            | Self::BadWheel { .. }
            | Self::Damaged { .. }
            | Self::DiskFull { .. }
            | Self::NoRoom { .. }
            | Self::DamagedDownload { .. }
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Stalled { .. }
            | Self::RedirectLoop { .. }
            | Self::BadAnswer { .. }
            | Self::NoSuchFile { .. }
            | Self::TooManyRequests { .. }
            | Self::ServerStatus { .. } => "download_failed",
            Self::Gated { .. } | Self::Denied { .. } | Self::NoSuchRepo { .. } => "access_denied",
            Self::NotPrivate { .. } => "push_failed",
            Self::NoToken { .. } => "auth_error",
            Self::OllamaUnusable { .. }
            | Self::OllamaDamaged { .. }
            | Self::OfflineSearch
            | Self::Format(_) => "execution_error",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "permission_denied"
            }
            Self::Io { .. } => "InternalError",
        }
    }
}
