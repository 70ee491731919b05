//! How a broker is set up.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

/// The key that may do everything: that of Microsoft's emulator.
pub const ROOT: (&str, &str) = ("RootManageSharedAccessKey", "SAS_KEY_VALUE");

#[derive(Debug, Clone)]
pub struct Queue {
    pub name: String,
    pub needs_sessions: bool,
}

#[derive(Clone)]
pub struct Settings {
    pub queues: Vec<Queue>,
    /// The queues' `lockDuration`.
    pub lock: Duration,
    /// After how long without a use a link is closed.
    pub idle: Duration,
    /// Keys that may send, or listen, or both: name, key, listen, send.
    pub keys: Vec<(String, String, bool, bool)>,
    /// What an identity shows that may do everything.
    pub jwt: Option<String>,
    /// Whether a state is taken from somebody who has not got the session: it is not known whether the service does.
    pub takes_any_state: bool,
    /// TLS, without which it is plain TCP.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for Settings {
    fn default() -> Self {
        let queue = |name: &str, needs_sessions| Queue { name: name.to_owned(), needs_sessions };
        Self {
            queues: vec![queue("elections", true), queue("push", true), queue("plain", false)],
            lock: Duration::from_secs(5),
            idle: Duration::from_secs(600),
            keys: vec![
                (ROOT.0.to_owned(), ROOT.1.to_owned(), true, true),
                ("listens".to_owned(), "bGlzdGVucw==".to_owned(), true, false),
            ],
            jwt: None,
            takes_any_state: false,
            tls: None,
        }
    }
}
