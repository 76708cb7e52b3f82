//! The credential: a signed string that proves whose ticket it is. Pure; verified without a look-up.
//!
//! `r1.<sale, ticket, number>.<HMAC-SHA-256>`, both parts base64url. It names its number, so that it
//! is a receipt for the place even when the journal could not be written. The same ticket always has
//! the same credential, until its place goes to another device: then the generation follows the number.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::ids::{SaleId, Seq, Ticket};

/// Longest credential that is looked at: one is 101 characters, or 106 after a move.
const LONGEST: usize = 128;
const VERSION: &str = "r1";

/// What a credential says, once its signature was checked. Only [`Signer::verify`] and the join make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    pub sale: SaleId,
    pub ticket: Ticket,
    pub seq: Seq,
    /// How often the place went to another device before this was signed.
    pub generation: u32,
}

/// Signs and checks credentials and console sessions with the secret that all gateways share.
#[derive(Clone)]
pub struct Signer {
    key: Hmac<Sha256>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// `secret` is the gateways' shared secret, at least 32 bytes; shorter ones are refused by `config`.
    pub fn new(secret: &[u8]) -> Self {
        // A hash of the secret fills the front of the key block, so no length of secret can fail.
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        key[..32].copy_from_slice(&Sha256::digest(secret));
        Self { key: Hmac::new(&key) }
    }

    /// A signature over `parts`, each with its length in front, under a `purpose` of its own.
    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    /// What tells one secret from another, and tells nobody the secret.
    pub fn print(&self) -> Vec<u8> {
        self.mac("print", &[]).finalize().into_bytes().to_vec()
    }

    pub fn sign(&self, claim: Claim) -> String {
        let payload = payload(claim);
        let signature = self.mac("credential", &[&payload]).finalize().into_bytes();
        let (payload, signature) =
            (URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature));
        format!("{VERSION}.{payload}.{signature}")
    }

    /// The claim of a credential that this secret signed, or nothing. Compares in constant time.
    pub fn verify(&self, credential: &str) -> Option<Claim> {
        if credential.len() > LONGEST {
            return None;
        }
        let mut parts = credential.split('.');
        let (version, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if version != VERSION || parts.next().is_some() {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac("credential", &[&payload]).verify_slice(&signature).ok()?;
        let (sale, rest) = payload.split_first_chunk::<16>()?;
        let (ticket, rest) = rest.split_first_chunk::<16>()?;
        let (seq, generation) = rest.split_first_chunk::<8>()?;
        let generation = if generation.is_empty() { [0; 4] } else { generation.try_into().ok()? };
        Some(Claim {
            sale: SaleId(Uuid::from_bytes(*sale)),
            ticket: Ticket(Uuid::from_bytes(*ticket)),
            seq: Seq(i64::from_be_bytes(*seq)),
            generation: u32::from_be_bytes(generation),
        })
    }

    /// The ticket of a join with an idempotency key: the same key always names the same ticket.
    pub fn ticket_for_key(&self, sale: SaleId, key: &str) -> Ticket {
        let mac = self.mac("ticket", &[sale.0.as_bytes(), key.as_bytes()]).finalize().into_bytes();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac[..16]);
        Ticket(Uuid::new_v8(bytes))
    }

    /// The code of a link that takes a place to another device: the same key makes the same one, and nobody
    /// without the secret can.
    pub fn move_code(&self, claim: Claim, key: &str) -> String {
        let mac = self.mac("move", &[&payload(claim), key.as_bytes()]).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(&mac[..16])
    }

    /// A digest that only who has this secret can make, and so guess at what was digested.
    pub fn keyed_print(&self, bytes: &[u8]) -> Vec<u8> {
        self.mac("keyed print", &[bytes]).finalize().into_bytes().to_vec()
    }

    /// A signed `text` for `purpose`, such as a console session: `<text>.<signature>`.
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        let signature = self.mac(purpose, &[text.as_bytes()]).finalize().into_bytes();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The text that [`Self::seal`] was given, if this secret sealed it for this purpose.
    pub fn open<'a>(&self, purpose: &str, sealed: &'a str) -> Option<&'a str> {
        let (text, signature) = sealed.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(purpose, &[text.as_bytes()]).verify_slice(&signature).ok()?;
        Some(text)
    }
}

/// A claim as it is signed. Who never moved has no generation in it.
fn payload(claim: Claim) -> Vec<u8> {
    let mut payload = Vec::with_capacity(44);
    payload.extend_from_slice(claim.sale.0.as_bytes());
    payload.extend_from_slice(claim.ticket.0.as_bytes());
    payload.extend_from_slice(&claim.seq.0.to_be_bytes());
    if claim.generation > 0 {
        payload.extend_from_slice(&claim.generation.to_be_bytes());
    }
    payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer() -> Signer {
        Signer::new(b"a secret of at least thirty-two bytes")
    }
    fn claim() -> Claim {
        Claim { sale: SaleId::new(), ticket: Ticket::new(), seq: Seq(4711), generation: 0 }
    }

    #[test]
    fn a_credential_proves_its_claim_and_another_secret_does_not() {
        let (claim, signer) = (claim(), signer());
        let credential = signer.sign(claim);
        assert!(credential.len() <= LONGEST);
        assert_eq!(signer.verify(&credential), Some(claim));
        assert_eq!(signer.sign(claim), credential, "a repeated join gets the same one");
        assert_eq!(Signer::new(b"another secret, thirty-two bytes too").verify(&credential), None);
    }

    #[test]
    fn each_move_makes_another_credential_and_each_key_another_link() {
        let (first, signer) = (claim(), signer());
        let second = Claim { generation: 1, ..first };
        let credential = signer.sign(second);
        assert_ne!(credential, signer.sign(first));
        assert!(credential.len() <= LONGEST);
        assert_eq!(signer.verify(&credential), Some(second));
        let code = signer.move_code(first, "a key");
        assert_eq!(code, signer.move_code(first, "a key"), "a repeated request gets the same one");
        assert_ne!(code, signer.move_code(first, "another"));
        assert_ne!(code, signer.move_code(second, "a key"));
    }

    #[test]
    fn a_seal_is_good_for_its_purpose_only() {
        let sealed = signer().seal("console", "until=5");
        assert_eq!(signer().open("console", &sealed), Some("until=5"));
        assert_eq!(signer().open("credential", &sealed), None);
        assert_eq!(signer().open("console", &sealed.replace('5', "6")), None);
    }

    proptest! {
        #[test]
        fn changing_any_character_breaks_it(at in 0..97usize, with in "[A-Za-z0-9_.-]") {
            let (claim, signer) = (claim(), signer());
            let good = signer.sign(claim);
            let at = at % good.len();
            let bad = format!("{}{with}{}", &good[..at], &good[at + 1..]);
            prop_assert!(bad == good || signer.verify(&bad).is_none());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            prop_assert_eq!(signer().verify(&text), None);
        }
    }
}
