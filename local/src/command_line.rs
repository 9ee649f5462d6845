//! The command line: a command, or the options of the server.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::admin::AdminCommand;
use crate::doctor::DoctorCommand;
use crate::evaluate::EvaluateCommand;
use crate::options::Options;

/// Runs ClearView on this machine, with the settings of the environment (docs/SETTINGS.md).
#[derive(Debug, Clone, Parser)]
#[command(name = "clearview", version, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// The command; without one, the program serves.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Options of the server.
    #[command(flatten)]
    pub options: Options,
}

/// A command other than serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Verify an export of the audit log: the answers of GET /v1/admin/audit, one after the other
    VerifyAudit {
        /// The export
        file: PathBuf,
    },
    /// Sign and send an admin request
    Admin(AdminCommand),
    /// Read a deployed stack, or an account before the first deployment, and report its faults
    Doctor(DoctorCommand),
    /// Judge the images of a directory, sorted by level, and print how often the configured judges are right
    EvaluateImages(EvaluateCommand),
}
