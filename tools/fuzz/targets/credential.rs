//! Credentials and sealed sessions. Whatever was signed is read back; whatever is read was signed, to
//! the letter: there is one way to write a claim, and every other text is refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::model::{Claim, SaleId, Seq, Signer, Ticket};
use ropeline_fuzz::SECRET;
use uuid::Uuid;

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new(SECRET));

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    claim: (u128, u128, i64, u32),
    /// Changes to a good credential: a place, and what is laid over it.
    bits: Vec<(u8, u8)>,
    cut: (u8, &'a str),
    /// A credential out of nowhere.
    text: &'a str,
    sealed: &'a str,
}

fuzz_target!(|input: Input| {
    let (sale, ticket, seq, generation) = input.claim;
    let claim = Claim {
        sale: SaleId(Uuid::from_u128(sale)),
        ticket: Ticket(Uuid::from_u128(ticket)),
        seq: Seq(seq),
        generation,
    };
    let good = SIGNER.sign(claim);
    assert_eq!(SIGNER.verify(&good), Some(claim));
    assert_eq!(Signer::new(b"another secret of thirty-two bytes!!").verify(&good), None);

    let mut bent = good.clone().into_bytes();
    for (at, bits) in input.bits {
        let at = usize::from(at) % bent.len();
        bent[at] ^= bits;
    }
    let (at, more) = (usize::from(input.cut.0) % good.len(), input.cut.1);
    let spliced = format!("{}{more}{}", &good[..at], &good[at..]);
    let cut = format!("{}{more}", &good[..at]);
    for text in [String::from_utf8_lossy(&bent).as_ref(), &spliced, &cut, input.text] {
        assert!(text == good || SIGNER.verify(text).is_none(), "{text} is taken for {good}");
    }

    let sealed = SIGNER.seal("console", input.sealed);
    assert_eq!(SIGNER.open("console", &sealed), Some(input.sealed));
    assert_eq!(SIGNER.open("another purpose", &sealed), None);
    assert_eq!(SIGNER.open("console", input.text), None);
    assert_eq!(SIGNER.open("console", &format!("{more}x{sealed}")), None);
    let key = SIGNER.ticket_for_key(claim.sale, input.sealed);
    assert_eq!(key, SIGNER.ticket_for_key(claim.sale, input.sealed));
});
