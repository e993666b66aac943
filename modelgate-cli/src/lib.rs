//! ModelGate as a library: the whole gateway inside another program.
//!
//! [`serve`] runs it with its HTTP face; [`assemble`] gives the [`App`] alone, for programs with a face of their own.
//! Programs with stores of their own take `modelgate-ports` instead.
//!
//! ```
//! use modelgate::Settings;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("modelgate-doc-{}", std::process::id()));
//! let mut settings = Settings::default();
//! settings.server.port = 0;
//! settings.sync.on_start = false;
//! settings.database.path = folder.join("modelgate.db");
//! settings.secrets.key_file = folder.join("secret.key");
//!
//! let runtime = tokio::runtime::Runtime::new()?;
//! let until_told = async { /* a signal, a channel … here: at once */ };
//! runtime.block_on(modelgate::serve(&settings, until_told))?;
//! # std::fs::remove_dir_all(folder)?;
//! # Ok(())
//! # }
//! ```

mod args;
mod command;
mod compose;
mod desk;
mod failure;
mod gate;
mod logging;
mod output;
pub mod settings;

pub use command::{Program, run};
pub use compose::{AssembleError, Assembled, assemble};
pub use gate::{StartError, serve};
pub use modelgate_ports::driving::App;
pub use settings::{Settings, SettingsError};
