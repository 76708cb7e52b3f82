//! How it shows that Redis lost a sale, or a part of it.

/// How a loss showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The sale was never loaded.
    New,
    /// Redis does not know the sale.
    Missing,
    /// Redis has the sale as it was in an older epoch.
    OlderEpoch,
    /// Redis has an older batch than Postgres.
    OlderBatch,
    /// A number was handed out twice.
    DoubledNumber,
    /// Redis does not know of a survey that this gateway made.
    WentBack,
    /// The line lacks more than is mended ticket by ticket.
    Hollow,
    /// Redis has handed out fewer numbers than this gateway saw.
    OlderCounter,
}

impl Loss {
    /// Whether Redis looks well all the same: it answers under its epoch, and lost some of it.
    pub(crate) fn looks_well(self) -> bool {
        match self {
            Self::OlderBatch
            | Self::DoubledNumber
            | Self::OlderCounter
            | Self::WentBack
            | Self::Hollow => true,
            Self::New | Self::Missing | Self::OlderEpoch => false,
        }
    }
}
