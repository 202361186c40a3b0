//! `lxcri-ctl install` and `uninstall`

use std::path::PathBuf;

use clap::Args;

/// Where to.
#[derive(Debug, Args)]
pub struct Prefix {
    /// Directory above bin and libexec
    #[arg(long, value_name = "DIR", default_value = "/usr")]
    pub prefix: PathBuf,
}

/// `uninstall`
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Where from.
    #[command(flatten)]
    pub to: Prefix,
    /// Where it is remembered which engines use the programs
    #[arg(long, value_name = "DIR", default_value = engine_config::Store::DEFAULT)]
    pub state: PathBuf,
}
