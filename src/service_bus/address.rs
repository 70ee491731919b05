//! Where the queue is, checked before anything is sent.

use std::fmt;
use std::net::IpAddr;

use leader_election::{Error, Result, SideName};

/// A queue in an Azure Service Bus namespace: where elections are held, each in the session of its name.
///
/// It shows no secret, as it holds none.
///
/// ```
/// use azure_leader_election::ServiceBusQueue;
///
/// let elections = ServiceBusQueue::new("sb://mynamespace.servicebus.windows.net/elections")?;
/// assert_eq!(elections.queue(), "elections");
/// assert!(ServiceBusQueue::new("https://mynamespace.servicebus.windows.net/elections").is_err());
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServiceBusQueue {
    host: String,
    port: Option<u16>,
    queue: String,
}

const FORM: &str = "a queue of Service Bus is sb://NAMESPACE.servicebus.windows.net/QUEUE, and no more: a connection string is given \
                    apart (to the command `leader` by SERVICEBUS_CONNECTION_STRING, to the library by \
                    `StoreOptions::service_bus_connection_string`)";

impl ServiceBusQueue {
    /// The queue at `sb://NAMESPACE.servicebus.windows.net/QUEUE`, by TLS on port 5671 unless the URL names another. On loopback, for an
    /// emulator, it is plain TCP on port 5672.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for anything else. The text is not quoted. Nothing is sent.
    pub fn new(url: &str) -> Result<Self> {
        let refused = || Error::setting(FORM);
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(refused)?;
        let (authority, queue) = rest.split_once('/').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("sb") || authority.contains('@') {
            return Err(refused());
        }
        let (host, port) = parse_authority(authority).ok_or_else(refused)?;
        let queue = queue.trim_end_matches('/');
        check_queue(queue)?;
        Ok(Self { host, port, queue: queue.to_owned() })
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The queue's name.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_on_loopback() { 5672 } else { 5671 })
    }

    pub(crate) fn is_on_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// What a token is for.
    pub(super) fn audience(&self) -> String {
        format!("amqps://{}/{}", self.host, self.queue)
    }

    fn authority(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.host)
    }
}

impl fmt::Display for ServiceBusQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sb://{}/{}", self.authority(), self.queue)
    }
}

impl fmt::Debug for ServiceBusQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceBusQueue").field(&self.to_string()).finish()
    }
}

/// Host, in lower case, and port of what stands between the slashes of a URL.
pub(super) fn parse_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let authority = authority.to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (authority.as_str(), None),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-[]:".contains(&byte);
    (!host.is_empty() && host.bytes().all(allowed)).then(|| (host.to_owned(), port))
}

fn check_queue(queue: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if matches!(queue.len(), 1..=260) && queue.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::setting(FORM))
}

/// A session of the queue, as errors name it.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) queue: ServiceBusQueue,
    /// The session's id: the election's name.
    pub(super) session: String,
}

impl Address {
    pub(super) fn of_election(queue: ServiceBusQueue, election: &str) -> Result<Self> {
        check_name("election", election)?;
        SideName::check_election(election)?;
        Ok(Self { queue, session: election.to_owned() })
    }

    /// The session beside it, unless its id would be longer than the service takes.
    pub(super) fn beside(&self, name: SideName) -> Option<Self> {
        let session = format!("{}.{name}", self.session);
        (session.len() <= LONGEST).then(|| Self { queue: self.queue.clone(), session })
    }
}

/// Characters of a [session's id](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas).
const LONGEST: usize = 128;

pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if matches!(name.len(), 1..=LONGEST) && name.bytes().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    // Not quoted: somebody may have put a secret there.
    Err(Error::setting(format!(
        "the {what} name must be 1 to 128 ASCII letters, digits, `.`, `-` and `_`, not beginning with a dot, on Service Bus"
    )))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session {:?} of {}", self.session, self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_told_by_its_url_and_nothing_else_is_taken_for_one() {
        let queue = ServiceBusQueue::new(" SB://NS.servicebus.windows.net/team/elections/ ").expect("valid");
        assert_eq!(queue.to_string(), "sb://ns.servicebus.windows.net/team/elections");
        assert_eq!((queue.port(), queue.is_on_loopback()), (5671, false));
        for (url, port) in [("sb://127.0.0.1:4711/q", 4711), ("sb://[::1]/q", 5672), ("sb://localhost/q", 5672)] {
            let queue = ServiceBusQueue::new(url).expect(url);
            assert_eq!((queue.port(), queue.is_on_loopback()), (port, true), "{url}");
        }
        for url in [
            "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=SECRET",
            "sb://ns.servicebus.windows.net",
            "sb://ns.servicebus.windows.net/",
            "sb://ns.servicebus.windows.net/q?SECRET",
            "sb://ns:SECRET/q",
            "sb://user:SECRET@ns/q",
            "amqps://ns.servicebus.windows.net/q",
        ] {
            let refusal = ServiceBusQueue::new(url).expect_err(url);
            assert!(!refusal.to_string().contains("SECRET") && refusal.to_string().contains("sb://"), "{refusal}");
        }
    }

    #[test]
    fn names_that_no_session_can_have_or_that_are_another_elections_side_records_are_refused() {
        let queue = ServiceBusQueue::new("sb://localhost/q").expect("valid");
        for name in ["", ".a", "a/b", "größe", "a.wish", &*"x".repeat(129)] {
            assert!(Address::of_election(queue.clone(), name).is_err(), "{name}");
        }
        let longest = Address::of_election(queue, &"x".repeat(128)).expect("valid");
        assert!(longest.beside(SideName::new("wish").expect("valid")).is_none());
    }
}
