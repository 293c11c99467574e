//! Encryption of what is stored, over any store: AES-256-GCM under one key from the configuration.
//!
//! A sealed text is a mark, 4 bytes that tell the key from others, a fresh nonce and the cipher text of what is
//! packed (what is encrypted cannot be packed any more). Contact, kind and, for events, id are authenticated with
//! it, so that nothing can be moved elsewhere. What was stored before there was a key is read as it is.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};

use crate::shell::secrets::SecretText;
use crate::time::Time;

use super::{Acquisition, Claim, Cursor, Entry, Lease, Pending, Store, StoreError};
use super::{hex, pack};

/// What a sealed text begins with. Nothing that is stored plainly does: that is JSON.
const MARK: &[u8; 8] = b"kvseal1\n";
/// Bytes that tell one key from others.
const KEY_ID: usize = 4;

/// The key of a store, or none.
#[derive(Clone)]
pub struct Seal(Option<Arc<Key>>);

struct Key {
    key: RandomizedNonceKey,
    id: [u8; KEY_ID],
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Seal(…)" } else { "Seal(none)" })
    }
}

impl Seal {
    /// Nothing is encrypted, and nothing encrypted can be read.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// A key of 32 bytes, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// It is not; what to do.
    pub fn new(key: &SecretText) -> Result<Self, &'static str> {
        const ADVICE: &str = "it should be 64 hexadecimal digits; make one with `openssl rand -hex 32`";
        let bytes = hex::decode(key.reveal().trim()).filter(|b| b.len() == 32).ok_or(ADVICE)?;
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..KEY_ID]);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| ADVICE)?;
        Ok(Self(Some(Arc::new(Key { key, id }))))
    }

    fn close(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let Some(key) = &self.0 else { return Ok(plain.to_vec()) };
        let mut text = pack::pack(plain);
        let failed = |_| StoreError::Inside("it could not be encrypted".to_owned());
        let nonce = key.key.seal_in_place_append_tag(Aad::from(place.name()), &mut text).map_err(failed)?;
        Ok([&MARK[..], &key.id, nonce.as_ref(), &text].concat())
    }

    fn open(&self, place: &Place<'_>, stored: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let Some(sealed) = stored.strip_prefix(MARK) else { return Ok(stored) };
        let Some(key) = &self.0 else { return Err(place.error("it is encrypted; set [store] key")) };
        let damaged = "it is damaged, or was stored for another call";
        let (id, rest) = sealed.split_at_checked(KEY_ID).ok_or_else(|| place.error(damaged))?;
        if id != key.id {
            return Err(place.error("it was encrypted with another [store] key; set that one"));
        }
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or_else(|| place.error(damaged))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| place.error(damaged))?;
        let mut text = text.to_vec();
        let opened = key.key.open_in_place(nonce, Aad::from(place.name()), &mut text);
        let length = opened.map_err(|_| place.error(damaged))?.len();
        pack::unpack(&text[..length]).ok_or_else(|| place.error(damaged))
    }
}

/// Where something is stored.
struct Place<'a> {
    contact: &'a str,
    kind: &'static str,
    id: &'a str,
}

impl Place<'_> {
    fn name(&self) -> Vec<u8> {
        // The contact comes from outside and is last: neither a kind nor an id holds a line end.
        format!("{}\n{}\n{}", self.kind, self.id, self.contact).into_bytes()
    }

    fn error(&self, what: &'static str) -> StoreError {
        StoreError::Sealed { contact: self.contact.to_owned(), kind: self.kind, what }
    }
}

/// A store whose contents are encrypted.
#[derive(Debug)]
pub struct Sealed<S> {
    inner: S,
    seal: Seal,
}

impl<S: Store> Sealed<S> {
    /// Everything that goes through here is sealed on its way in and opened on its way out.
    #[must_use]
    pub const fn new(inner: S, seal: Seal) -> Self {
        Self { inner, seal }
    }

    fn opened(&self, contact: &str, acquired: &mut Acquisition) -> Result<(), StoreError> {
        let place = |kind| Place { contact, kind, id: "" };
        let held = match acquired {
            Acquisition::Acquired(held) => held,
            Acquisition::Finished { start } => {
                *start = start.take().map(|start| self.seal.open(&place("start"), start)).transpose()?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        held.start = self.seal.open(&place("start"), std::mem::take(&mut held.start))?;
        if let Some(before) = &mut held.before
            && let Some(checkpoint) = before.checkpoint.take()
        {
            before.checkpoint = Some(self.seal.open(&place("checkpoint"), checkpoint)?);
        }
        Ok(())
    }
}

impl<S: Store> Store for Sealed<S> {
    fn acquire<'a>(&'a self, contact: &'a str, claim: Claim<'a>) -> Pending<'a, Acquisition> {
        Box::pin(async move {
            let place = Place { contact, kind: "start", id: "" };
            let start = claim.start.map(|start| self.seal.close(&place, start)).transpose()?;
            let claim = Claim { start: start.as_deref(), ..claim };
            let mut acquired = self.inner.acquire(contact, claim).await?;
            let opened = self.opened(contact, &mut acquired);
            if let (Err(_), Acquisition::Acquired(held)) = (&opened, &acquired) {
                // Whoever has the key may take it at once; the reason for this is the one to be told.
                let _ = self.inner.release(&held.lease).await;
            }
            opened.map(|()| acquired)
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.inner.renew(lease)
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.inner.release(lease)
    }

    fn finish<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.inner.finish(lease)
    }

    fn save<'a>(&'a self, lease: &'a Lease, sequence: u64, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        Box::pin(async move {
            let place = Place { contact: lease.contact(), kind: "checkpoint", id: "" };
            let sealed = self.seal.close(&place, checkpoint)?;
            self.inner.save(lease, sequence, &sealed).await
        })
    }

    fn add_event<'a>(&'a self, contact: &'a str, entry: &'a Entry) -> Pending<'a, ()> {
        Box::pin(async move {
            let place = Place { contact, kind: "event", id: &entry.id };
            let body = self.seal.close(&place, &entry.body)?;
            let entry = Entry { id: entry.id.clone(), at: entry.at, body };
            self.inner.add_event(contact, &entry).await
        })
    }

    fn events<'a>(&'a self, contact: &'a str, after: Cursor) -> Pending<'a, (Vec<Entry>, Cursor)> {
        Box::pin(async move {
            let (mut entries, cursor) = self.inner.events(contact, after).await?;
            for entry in &mut entries {
                let body = std::mem::take(&mut entry.body);
                entry.body = self.seal.open(&Place { contact, kind: "event", id: &entry.id }, body)?;
            }
            Ok((entries, cursor))
        })
    }

    fn unfinished(&self, limit: usize) -> Pending<'_, Vec<String>> {
        self.inner.unfinished(limit)
    }

    fn sweep(&self, now: Time) -> Pending<'_, u64> {
        self.inner.sweep(now)
    }

    fn probe(&self) -> Pending<'_, String> {
        Box::pin(async move {
            let where_it_is = self.inner.probe().await?;
            let how = if self.seal.0.is_some() { "encrypted" } else { "not encrypted" };
            Ok(format!("{where_it_is}, {how}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: char) -> Seal {
        Seal::new(&SecretText::new(digit.to_string().repeat(64))).unwrap()
    }

    const PLACE: Place<'static> = Place { contact: "c", kind: "checkpoint", id: "" };

    #[test]
    fn what_is_sealed_is_opened_in_its_place_alone_and_by_its_key_alone() {
        let sealed = key('a').close(&PLACE, b"my card number").unwrap();
        assert!(!sealed.windows(4).any(|w| w == b"card"));
        assert_ne!(sealed, key('a').close(&PLACE, b"my card number").unwrap(), "no nonce comes twice");
        assert_eq!(key('a').open(&PLACE, sealed.clone()).unwrap(), b"my card number");
        for (seal, place, said) in [
            (key('b'), PLACE, "another [store] key"),
            (Seal::none(), PLACE, "set [store] key"),
            (key('a'), Place { contact: "d", ..PLACE }, "damaged"),
            (key('a'), Place { kind: "start", ..PLACE }, "damaged"),
            (key('a'), Place { id: "1", ..PLACE }, "damaged"),
        ] {
            let error = seal.open(&place, sealed.clone()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        for length in MARK.len()..sealed.len() {
            assert!(key('a').open(&PLACE, sealed[..length].to_vec()).is_err());
        }
        assert_eq!(key('a').open(&PLACE, b"{}".to_vec()).unwrap(), b"{}", "from before there was a key");
    }

    #[test]
    fn a_key_that_is_none_says_how_to_make_one() {
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(62)] {
            assert!(Seal::new(&SecretText::new(bad)).unwrap_err().contains("openssl"));
        }
    }
}
