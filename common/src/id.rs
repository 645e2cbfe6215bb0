//! Typed ids: a prefix that says what is named, then a `UUIDv7` in Crockford's base32 (26 characters,
//! lower case). In the database an id is its 16 bytes; in a batch parameter it is 32 hex digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_<26 characters>")]
pub struct BadId {
    /// The prefix that the id should have had, without the underscore.
    pub prefix: &'static str,
}

fn encode(uuid: Uuid) -> String {
    let value = uuid.as_u128();
    (0..LENGTH)
        .rev()
        .map(|place| char::from(ALPHABET[((value >> (place * 5)) & 31) as usize]))
        .collect()
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes()
        .try_fold(0_u128, |value, byte| {
            let digit = ALPHABET.iter().position(|known| *known == byte)?;
            Some((value << 5) | digit as u128)
        })
        .map(Uuid::from_u128)
}

macro_rules! id_type {
    ($name:ident, $prefix:literal, $what:literal) => {
        #[doc = concat!("Names ", $what, "; written `", $prefix, "_...`.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id, later than those minted before it by this process.
            #[expect(clippy::disallowed_methods, reason = "ids are minted here and nowhere else")]
            pub fn mint() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with exactly these 16 bytes.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The 16 bytes as a UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// 32 lower-case hex digits, the form of ids in a batch parameter.
            pub fn hex(self) -> String {
                self.0.simple().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(BadId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type!(UserId, "usr", "an account");
id_type!(ProductId, "prd", "a product");
id_type!(OrderId, "ord", "an order, from the moment its checkout is accepted");
id_type!(PaymentId, "pay", "a payment; the gateway's key for every attempt");
id_type!(MessageId, "msg", "a message and its outbox row");
id_type!(DeadLetterId, "dlt", "a dead letter");
id_type!(AdjustmentId, "adj", "a row of the stock ledger");
id_type!(OwnerId, "own", "a running process, as the holder of leases");
id_type!(RequestKey, "req", "a request that came without an id of its own");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        for _ in 0..100 {
            let id = OrderId::mint();
            assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
            assert_eq!(id.to_string().len(), 30);
        }
    }

    #[test]
    fn a_later_id_sorts_later_as_text_too() {
        let (first, second) = (OrderId::mint(), OrderId::mint());
        assert!(first < second);
        assert!(first.to_string() < second.to_string());
    }

    #[test]
    fn other_kinds_lengths_letters_and_overflows_are_refused() {
        let id = OrderId::mint().to_string();
        assert!(id.parse::<UserId>().is_err());
        assert!(id[..29].parse::<OrderId>().is_err());
        assert!(format!("{id}0").parse::<OrderId>().is_err());
        assert!(id.to_uppercase().parse::<OrderId>().is_err());
        assert!("ord_80000000000000000000000000".parse::<OrderId>().is_err());
        assert!("ord_7zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<OrderId>().is_ok());
        assert!("ord_ü000000000000000000000000".parse::<OrderId>().is_err());
    }
}
