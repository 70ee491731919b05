//! A cluster, and how to sign in to it.

use std::fmt;
use std::sync::Arc;

use leader_election::{Error, Result};
use leader_election_http::Trust;

use crate::address::EtcdAddress;
use crate::connection::Connection;
use crate::sign_in::User;

/// How to sign in to a cluster. By default nothing is shown, and the authorities that this machine trusts are trusted.
///
/// A certificate, or an authority of one's own, makes the connection one of TLS on loopback as well. `Debug` tells of each only whether there is
/// one.
///
/// ```
/// use leader_election_etcd::EtcdOptions;
///
/// let options = EtcdOptions {
///     user: Some("billing".to_owned()),
///     password: Some("hunter2".to_owned()),
///     ..EtcdOptions::default()
/// };
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EtcdOptions {
    /// The user, where etcd's [authentication](https://etcd.io/docs/v3.4/op-guide/authentication/) is on. Default: none.
    pub user: Option<String>,
    /// The user's password. Default: none.
    pub password: Option<String>,
    /// The client's certificate and its chain, in PEM, where etcd runs with `--client-cert-auth`. It lets the connection in, and is no user: etcd's JSON gateway
    /// [takes none from it](https://etcd.io/docs/v3.4/op-guide/authentication/#using-tls-common-name). With authentication on, etcd 3.4.23 even
    /// refuses one that has a common name, so issue it without. Default: none.
    pub certificate: Option<Vec<u8>>,
    /// The key of that certificate, in PEM. Default: none.
    pub key: Option<Vec<u8>>,
    /// The authorities to trust, and no others, in PEM. Default: those that the machine trusts.
    pub authority: Option<Vec<u8>>,
}

impl EtcdOptions {
    fn user(&self) -> Result<Option<User>> {
        match (&self.user, &self.password) {
            (Some(name), Some(password)) if !name.is_empty() => Ok(Some(User::new(name, password))),
            (None, None) => Ok(None),
            _ => Err(Error::setting(
                "etcd takes a user and a password, or neither: set `EtcdOptions::user` and `EtcdOptions::password` (to the command `leader`: \
                 ETCD_USER and ETCD_PASSWORD)",
            )),
        }
    }

    fn trust(&self) -> Result<Trust> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some([certificate.as_slice(), b"\n", key.as_slice()].concat()),
            (None, None) => None,
            _ => {
                return Err(Error::setting(
                    "etcd takes a client certificate and its key, or neither: set `EtcdOptions::certificate` and `EtcdOptions::key` (to the \
                     command `leader`: ETCD_CERT and ETCD_KEY)",
                ));
            }
        };
        Ok(Trust { authorities: self.authority.clone(), identity })
    }
}

impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdOptions")
            .field("user", &self.user.is_some())
            .field("password", &self.password.is_some())
            .field("certificate", &self.certificate.is_some())
            .field("key", &self.key.is_some())
            .field("authority", &self.authority.is_some())
            .finish()
    }
}

/// An etcd cluster, and the connections to it. Clones share them, and have signed in together: give all elections and
/// [`FencedKeys`](crate::FencedKeys) of a process the same one.
///
/// A request goes to the member that answered last. When that does not answer in time, the next one is asked as well, within the same attempt;
/// the first answer counts. So a member that is frozen or cut off costs part of one attempt, and none after it. That a write may reach
/// etcd twice by this does no harm: each is carried out over one value of the record, so only one of the two can be, and the
/// other one's refusal tells of it.
///
/// ```
/// use leader_election_etcd::{EtcdAddress, EtcdCluster, EtcdOptions};
///
/// let cluster = EtcdCluster::new(EtcdAddress::new("etcd://127.0.0.1:2379")?, EtcdOptions::default())?;
/// assert_eq!(format!("{cluster:?}"), "EtcdCluster(etcd://127.0.0.1:2379)");
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone)]
pub struct EtcdCluster {
    pub(crate) connection: Arc<Connection>,
}

impl EtcdCluster {
    /// The cluster at this address. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for a user without a password, a certificate without its key, either the other way
    /// round, PEM that is none, and certificates for an address with `?insecure`.
    pub fn new(address: EtcdAddress, options: EtcdOptions) -> Result<Self> {
        let connection = Connection::new(address, options.user()?, options.trust()?)?;
        Ok(Self { connection: Arc::new(connection) })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &EtcdAddress {
        self.connection.address()
    }
}

impl fmt::Debug for EtcdCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EtcdCluster({})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use leader_election::ErrorKind;

    use super::*;

    fn refusal(url: &str, options: EtcdOptions) -> String {
        let refused = EtcdCluster::new(EtcdAddress::new(url).expect("valid"), options).expect_err("must be refused");
        assert_eq!(refused.kind(), ErrorKind::InvalidSetting);
        format!("{refused} {refused:?}")
    }

    #[test]
    fn half_a_sign_in_is_refused_with_what_is_missing() {
        let secret = || Some("SECRET".to_owned());
        let pem = || Some(b"SECRET".to_vec());
        for (options, missing) in [
            (EtcdOptions { user: secret(), ..EtcdOptions::default() }, "ETCD_PASSWORD"),
            (EtcdOptions { password: secret(), ..EtcdOptions::default() }, "ETCD_USER"),
            (EtcdOptions { certificate: pem(), ..EtcdOptions::default() }, "ETCD_KEY"),
            (EtcdOptions { key: pem(), ..EtcdOptions::default() }, "ETCD_CERT"),
            (EtcdOptions { authority: pem(), ..EtcdOptions::default() }, "BEGIN CERTIFICATE"),
            (EtcdOptions { certificate: pem(), key: pem(), ..EtcdOptions::default() }, "PEM"),
        ] {
            let refusal = refusal("etcd://etcd-0", options);
            assert!(refusal.contains(missing) && !refusal.contains("SECRET"), "{refusal}");
        }
    }

    #[test]
    fn certificates_for_plain_text_are_refused() {
        let options = EtcdOptions { authority: Some(b"x".to_vec()), ..EtcdOptions::default() };
        assert!(refusal("etcd://etcd-0?insecure", options).contains("insecure"));
    }
}
