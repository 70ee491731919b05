//! A certificate for a server on this machine, and the authority that signed it, made anew for every server.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

pub const LEAF_FILE: &str = "leaf.pem";
pub const KEY_FILE: &str = "key.pem";

#[derive(Debug)]
pub struct Certificate {
    pub ca_pem: String,
    pub ca_path: PathBuf,
}

impl Certificate {
    /// Writes the certificate, its key and the authority into the folder.
    pub fn write_to(folder: &Path) -> Result<Self, String> {
        let ca_path = folder.join("ca.pem");
        let made = make().map_err(|error| format!("cannot make a certificate: {error}"))?;
        fs::write(folder.join(LEAF_FILE), made.leaf_pem)
            .and_then(|()| fs::write(folder.join(KEY_FILE), made.key_pem))
            .and_then(|()| fs::write(&ca_path, &made.ca_pem))
            .map_err(|error| format!("cannot write the certificate: {error}"))?;
        Ok(Self { ca_pem: made.ca_pem, ca_path })
    }
}

struct Made {
    ca_pem: String,
    leaf_pem: String,
    key_pem: String,
}

fn make() -> Result<Made, rcgen::Error> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(DnType::CommonName, "Azurite test authority");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &ca)?;

    Ok(Made { ca_pem: ca.pem(), leaf_pem: leaf.pem(), key_pem: key.serialize_pem() })
}
