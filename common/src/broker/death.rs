//! What the broker writes onto a message that it dead-letters.

use lapin::BasicProperties;
use lapin::types::AMQPValue;

/// Where and why a message died; the latest death, if there were several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The queue that it died on, with the installation's prefix.
    pub queue: String,
    /// The broker's word: `delivery_limit`, `rejected`, `maxlen`, `expired`.
    pub reason: String,
}

impl Death {
    pub(super) fn read(properties: &BasicProperties) -> Option<Self> {
        let headers = properties.headers().as_ref()?;
        let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
        let AMQPValue::FieldTable(latest) = deaths.as_slice().first()? else { return None };
        let field = |name: &str| match latest.inner().get(name) {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            Some(AMQPValue::ShortString(text)) => Some(text.to_string()),
            _ => None,
        };
        Some(Self { queue: field("queue")?, reason: field("reason")? })
    }
}
