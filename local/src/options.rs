//! The options of the server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

/// Options of the server.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 3000)]
    pub port: u16,

    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// Requests to work on at a time; half as many more wait, and the rest are refused
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    pub requests: u16,

    /// Connections to serve at a time; each takes a file descriptor
    #[arg(long, value_name = "N", default_value_t = 900, value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,

    /// Keep state in this directory, made when absent [default: in memory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Serve the embedded `DynamoDB` on this port of that address, for the AWS CLI and for other instances [default: a free one of
    /// 127.0.0.1]
    #[arg(long, value_name = "PORT")]
    pub table_port: Option<u16>,

    /// Serve the embedded object store on this port of that address, for clients elsewhere that upload [default: a free one of
    /// 127.0.0.1]
    #[arg(long, value_name = "PORT")]
    pub object_port: Option<u16>,

    /// Serve the queues on this port of 127.0.0.1, for the AWS CLI and for other instances [default: not at all]
    #[arg(long, value_name = "PORT")]
    pub queue_port: Option<u16>,

    /// Token signing keys, made when absent [default: in the data directory, else in memory]
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,

    /// Ask a provider that follows this script (JSON) instead of a real one
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// Let webhooks go to addresses of any network, also over HTTP
    #[arg(long)]
    pub allow_private_webhooks: bool,

    /// Throttle as API Gateway does: 2,000 requests/s with bursts of 4,000, and 50 registrations/s
    #[arg(long)]
    pub throttle: bool,

    /// Serve no console at /; it is there only while the address is a loopback one
    #[arg(long)]
    pub no_console: bool,
}

impl Options {
    /// Reports whether there is a console: for the person at this machine, and nobody else.
    #[must_use]
    pub const fn has_console(&self) -> bool {
        self.host.is_loopback() && !self.no_console
    }

    /// Returns the address of the embedded table. It asks for no credential, so without an explicit port it stays on this
    /// machine.
    #[must_use]
    pub fn table_address(&self) -> SocketAddr {
        self.beside(self.table_port)
    }

    /// Returns the address of the embedded object store.
    #[must_use]
    pub fn object_address(&self) -> SocketAddr {
        self.beside(self.object_port)
    }

    fn beside(&self, port: Option<u16>) -> SocketAddr {
        match port {
            Some(port) => SocketAddr::new(self.host, port),
            None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        }
    }
}
