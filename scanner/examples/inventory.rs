//! Prints the inventory of an image in a registry as JSON: `inventory [--insecure] REFERENCE`. For looking at and measuring the scanner alone.

use std::error::Error;

use breakwater_core::{Platform, scan::RegistryAccess};
use breakwater_scanner::{
    ScanOptions,
    registry::{Connection, Credentials, Options, Pace, Trust},
    scan,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let insecure = arguments.iter().any(|argument| argument == "--insecure");
    let reference = arguments.iter().find(|argument| !argument.starts_with('-')).ok_or("which image?")?;
    let connection = Connection::new(Options {
        access: RegistryAccess { insecure, allow_private_addresses: true, ..RegistryAccess::default() },
        mirrors: Vec::new(),
        credentials: Credentials::none(),
        trust: Trust::system(),
        pace: Pace::default(),
    })?;
    let platforms = [Platform::linux("amd64")];
    let progress = |progress| eprintln!("{progress:?}");
    let inventories =
        scan(&connection, &reference.parse()?, &platforms, ScanOptions::default(), &progress).await?;
    println!("{}", serde_json::to_string_pretty(&inventories)?);
    Ok(())
}
