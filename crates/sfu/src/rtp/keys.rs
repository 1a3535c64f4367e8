//! The SRTP keys of a connection, as exported by DTLS (RFC 5764, section 4.2).
//!
//! str0m does not expose them. But its DTLS provider can be replaced: this one wraps the default provider and keeps a
//! copy of the keys.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use str0m::crypto::CryptoError;
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion, SrtpProfile,
};

/// The AEAD profiles of RFC 7714.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Aes128Gcm,
    Aes256Gcm,
}

impl Profile {
    pub(crate) fn key_length(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }

    fn of(profile: SrtpProfile) -> Option<Self> {
        if profile == SrtpProfile::AEAD_AES_128_GCM {
            Some(Self::Aes128Gcm)
        } else if profile == SrtpProfile::AEAD_AES_256_GCM {
            Some(Self::Aes256Gcm)
        } else {
            None
        }
    }
}

/// Length of a master salt in both profiles (RFC 7714, section 12).
pub(crate) const SALT: usize = 12;

/// A master key with its salt, for one direction.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MasterKey {
    pub(crate) profile: Profile,
    pub(crate) key: Vec<u8>,
    pub(crate) salt: [u8; SALT],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) ours: MasterKey,
    pub(crate) theirs: MasterKey,
}

impl Keys {
    /// Splits the material exported by DTLS: client key, server key, client salt, server salt.
    pub(crate) fn cut(profile: Profile, material: &[u8], we_are_client: bool) -> Option<Self> {
        let (keys, salts) = material.split_at_checked(2 * profile.key_length())?;
        let (client_key, server_key) = keys.split_at(profile.key_length());
        let (client_salt, server_salt) = salts.split_at_checked(SALT)?;
        let master =
            |key: &[u8], salt: &[u8]| Some(MasterKey { profile, key: key.to_vec(), salt: salt.try_into().ok()? });
        let (client, server) = (master(client_key, client_salt)?, master(server_key, server_salt)?);
        Some(if we_are_client { Self { ours: client, theirs: server } } else { Self { ours: server, theirs: client } })
    }
}

/// Receives the keys of one connection when DTLS has completed. Stays empty for profiles not supported here.
pub(crate) type KeySlot = Arc<OnceLock<Keys>>;

thread_local! {
    /// The slot of the DTLS instance most recently created on this thread.
    static MADE: RefCell<Option<KeySlot>> = const { RefCell::new(None) };
}

/// Returns a provider that keeps the keys of the connections created with it.
pub(crate) fn keeping() -> CryptoProvider {
    CryptoProvider { dtls_provider: &Keeping, ..str0m::crypto::from_feature_flags() }
}

/// Returns the slot of the connection just created on this thread.
pub(crate) fn take_slot() -> Option<KeySlot> {
    MADE.take()
}

#[derive(Debug)]
struct Keeping;

impl DtlsProvider for Keeping {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = str0m::crypto::from_feature_flags().dtls_provider.new_dtls(cert, now, version, mtu)?;
        let slot = KeySlot::default();
        MADE.replace(Some(Arc::clone(&slot)));
        Ok(Box::new(Kept { inner, slot }))
    }
}

#[derive(Debug)]
struct Kept {
    inner: Box<dyn DtlsInstance>,
    slot: KeySlot,
}

impl DtlsInstance for Kept {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let active = self.inner.is_active();
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && let Some(keys) = Profile::of(*profile).and_then(|profile| Keys::cut(profile, material.as_ref(), active))
        {
            // DTLS exports the keys only once.
            let _ = self.slot.set(keys);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_is_cut_by_role() {
        let material: Vec<u8> = (0..56).collect();
        let keys = Keys::cut(Profile::Aes128Gcm, &material, false).expect("enough");
        assert_eq!(keys.theirs.key, (0..16).collect::<Vec<u8>>());
        assert_eq!(keys.ours.key, (16..32).collect::<Vec<u8>>());
        assert_eq!(keys.theirs.salt.to_vec(), (32..44).collect::<Vec<u8>>());
        assert_eq!(keys.ours.salt.to_vec(), (44..56).collect::<Vec<u8>>());
        let other = Keys::cut(Profile::Aes128Gcm, &material, true).expect("enough");
        assert_eq!((other.ours, other.theirs), (keys.theirs, keys.ours));
        assert_eq!(Keys::cut(Profile::Aes128Gcm, &material[..55], false), None);
        assert_eq!(Keys::cut(Profile::Aes256Gcm, &material, false), None);
    }
}
