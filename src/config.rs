//! The whole configuration, read and checked before anything opens.
//!
//! Every setting has a key in the file (`server.listen`), a variable of the environment
//! (`PATRON_SERVER_LISTEN`) and, for the common ones, a flag. Flags win over variables, variables
//! over the file, the file over the defaults. All problems are reported at once.

mod flow;
mod raw;
mod security;
mod settings;

pub use self::flow::FlowConfig;
pub use self::raw::{RawConfig, SETTINGS, Setting};
pub use self::security::{TlsMinimum, TlsSettings};
pub use self::settings::{AsOfSetting, Config, InvalidConfig};
