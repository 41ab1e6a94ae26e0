//! How a report fails.

use plotters::drawing::DrawingAreaErrorKind;

use crate::repository::RepositoryError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The version cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A figure could not be drawn.
    #[error("figure: {0}")]
    Drawing(String),
    /// The page could not be written.
    #[error("page: {0}")]
    Page(#[from] askama::Error),
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for ReportError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Drawing(error.to_string())
    }
}
