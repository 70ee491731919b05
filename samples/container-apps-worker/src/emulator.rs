//! The key of Cosmos DB's emulator, which Microsoft publishes: it protects nothing, and is used for addresses on this machine alone.

const COSMOS_KEY: &str = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/// The emulator can be started with another one.
pub fn cosmos_key() -> String {
    let own = std::env::var("COSMOS_EMULATOR_KEY").ok().filter(|key| !key.is_empty());
    own.unwrap_or_else(|| COSMOS_KEY.to_owned())
}
