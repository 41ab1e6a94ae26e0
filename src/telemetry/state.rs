//! What is true of the server now: read when somebody asks, not kept up to date.

/// The state of a server at one moment.
#[derive(Clone, Debug, Default)]
pub struct ServerState {
    /// Predict calls at work.
    pub inflight_calls: usize,
    /// Their rows.
    pub inflight_rows: usize,
    /// Versions in memory.
    pub models: Vec<LoadedModel>,
    /// Seconds since the newest stored line occurred.
    pub feature_age_seconds: Option<f64>,
    /// Jobs by state and kind.
    pub jobs: Vec<JobCount>,
    /// Bytes of lines that are not packed yet.
    pub tail_bytes: usize,
}

/// A version in memory.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: String,
    /// The version.
    pub version: u64,
    /// How long it took to load and check.
    pub load_seconds: f64,
    /// Whether it answers from stored lines.
    pub reads_lines: bool,
}

/// How many jobs there are of a kind in a state.
#[derive(Clone, Debug)]
pub struct JobCount {
    /// `queued` for example.
    pub state: String,
    /// `training` for example.
    pub kind: String,
    /// How many.
    pub count: u64,
}
