//! Every refusal leaves as `application/problem+json` (RFC 9457). Clients switch on `code`; `detail` is for
//! people; what went wrong inside is in the log under the same request id, never in the answer.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use ordermill_common::db::{self, Trouble, group};
use ordermill_common::log::chain;
use ordermill_common::page::BadCursor;
use ordermill_common::user;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Seconds after which a client may ask again when the shop is overloaded or a server is away.
const RETRY_AFTER: u32 = 1;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $status:ident $code:literal $title:literal;)*) => {
        /// What a problem is about. The code is part of the API: it never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// All codes, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status code that it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    ValidationFailed BAD_REQUEST "validation_failed" "The request has values that cannot be accepted";
    MalformedJson BAD_REQUEST "malformed_json" "The body is not JSON";
    InvalidCursor BAD_REQUEST "invalid_cursor" "The cursor does not belong to this list";
    Unauthenticated UNAUTHORIZED "unauthenticated" "Credentials are missing, wrong or expired";
    Forbidden FORBIDDEN "forbidden" "The account may not do this";
    NotFound NOT_FOUND "not_found" "There is no such thing";
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "The method is not allowed here";
    RequestTimeout REQUEST_TIMEOUT "request_timeout" "The request did not arrive in time";
    EmailTaken CONFLICT "email_taken" "An account with this e-mail exists";
    SkuTaken CONFLICT "sku_taken" "A product with this SKU exists";
    OutOfStock CONFLICT "out_of_stock" "Not enough is in stock";
    InsufficientStock CONFLICT "insufficient_stock" "The stock would fall below zero";
    ProductUnavailable CONFLICT "product_unavailable" "The product is not for sale";
    CartFull CONFLICT "cart_full" "The cart holds as many lines as it can";
    EmptyCart CONFLICT "empty_cart" "The cart is empty";
    TotalIncreased CONFLICT "total_increased" "The total is higher than expected";
    TotalTooLarge CONFLICT "total_too_large" "The total is beyond what can be charged";
    IllegalMove CONFLICT "illegal_move" "The order's status does not allow this";
    CancellationPending CONFLICT "cancellation_pending" "A cancellation is being decided";
    LetterClosed CONFLICT "letter_closed" "The dead letter was closed before";
    LetterNotUnderstood CONFLICT "letter_not_understood" "Nobody knows what the message asks for";
    PreconditionFailed PRECONDITION_FAILED "precondition_failed" "It has changed since it was read";
    PayloadTooLarge PAYLOAD_TOO_LARGE "payload_too_large" "The body is too large";
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "The body must be application/json";
    UnknownPaymentMethod UNPROCESSABLE_ENTITY "unknown_payment_method" "The payment method is not known";
    IdempotencyKeyReused UNPROCESSABLE_ENTITY "idempotency_key_reused" "The key was used with another body";
    PreconditionRequired PRECONDITION_REQUIRED "precondition_required" "If-Match is required";
    Overloaded SERVICE_UNAVAILABLE "overloaded" "Too much is waiting; try again";
    Unavailable SERVICE_UNAVAILABLE "unavailable" "The shop cannot be reached right now; try again";
    OutcomeUnknown SERVICE_UNAVAILABLE "outcome_unknown" "It may or may not have been done";
    Internal INTERNAL_SERVER_ERROR "internal" "Something went wrong on our side";
}

/// One value of the request that cannot be accepted, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Where in the body (`#/lines/0/quantity`) or which query parameter (`?limit`).
    pub pointer: String,
    /// A stable name for what is wrong.
    pub code: &'static str,
    /// What is wrong, for people.
    pub detail: String,
}

/// A refusal on its way out. The request's edge adds `instance` and `request_id`.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    flaws: Vec<Flaw>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// A refusal; `detail` says what it is about this time.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut headers = Vec::new();
        if code == Code::Unauthenticated {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if code == Code::RequestTimeout {
            headers.push((header::CONNECTION, HeaderValue::from_static("close")));
        }
        if code.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.push((header::RETRY_AFTER, RETRY_AFTER.into()));
        }
        Self { code, detail: detail.into(), flaws: Vec::new(), members: Map::new(), headers }
    }

    /// `validation_failed` with each flaw.
    pub fn flawed(flaws: Vec<Flaw>) -> Self {
        let detail = match flaws.as_slice() {
            [only] => Cow::Owned(format!("{}: {}", only.pointer, only.detail)),
            many => Cow::Owned(format!("{} values cannot be accepted", many.len())),
        };
        Self { flaws, ..Self::new(Code::ValidationFailed, detail) }
    }

    /// `not_found`: it does not exist, or not for this account.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "it does not exist, or not for this account")
    }

    /// `internal`; the cause is written to the log here, and only here.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(cause), "a request failed");
        Self::new(Code::Internal, "the cause is in the log under this request's id")
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.to_owned(), json!(value));
        self
    }

    /// What it is about.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The finished answer.
    pub(crate) fn render(self, instance: &str, request_id: &str) -> Body {
        let mut body = self.members;
        body.insert(
            "type".to_owned(),
            format!("/problems/{}", self.code.as_str().replace('_', "-")).into(),
        );
        body.insert("title".to_owned(), self.code.title().into());
        body.insert("status".to_owned(), self.code.status().as_u16().into());
        body.insert("detail".to_owned(), self.detail.into());
        body.insert("instance".to_owned(), instance.into());
        body.insert("code".to_owned(), self.code.as_str().into());
        body.insert("request_id".to_owned(), request_id.into());
        if !self.flaws.is_empty() {
            body.insert("errors".to_owned(), json!(self.flaws));
        }
        Body::from(Value::Object(body).to_string())
    }
}

impl IntoResponse for Problem {
    /// The body is written by the edge, which knows the request; see [`crate::edge`].
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.code.status();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(self.headers.iter().cloned());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match error.trouble() {
            _ if error.commit_is_unknown() => {
                tracing::warn!(error = %chain(&error), "the outcome of a commit is unknown");
                Self::new(Code::OutcomeUnknown, "the database did not say whether it was done")
            }
            Trouble::Rerun | Trouble::LockWait => {
                tracing::warn!(error = %chain(&error), "the database could not be used");
                Self::new(Code::Unavailable, "the database cannot be used right now")
            }
            Trouble::Duplicate | Trouble::Permanent => Self::internal(&error),
        }
    }
}

impl From<BadCursor> for Problem {
    fn from(cursor: BadCursor) -> Self {
        Self::new(Code::InvalidCursor, cursor.to_string())
    }
}

impl From<user::Busy> for Problem {
    fn from(busy: user::Busy) -> Self {
        Self::new(Code::Overloaded, busy.to_string())
    }
}

impl From<group::Refused> for Problem {
    fn from(refused: group::Refused) -> Self {
        use group::Refused;
        match refused {
            Refused::Overloaded | Refused::Expired => {
                Self::new(Code::Overloaded, refused.to_string())
            }
            Refused::Unavailable | Refused::Unanswered | Refused::Closed => {
                Self::new(Code::Unavailable, refused.to_string())
            }
            Refused::OutcomeUnknown => Self::new(Code::OutcomeUnknown, refused.to_string()),
            // The lane has logged why.
            Refused::Failed => Self::new(Code::Internal, "the cause is in the log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_names_with_one_status_each() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn a_lost_connection_is_unavailable_and_a_wrong_statement_is_internal() {
        let lost = db::Error::from(sqlx::Error::PoolTimedOut);
        assert_eq!(Problem::from(lost).code(), Code::Unavailable);
        let wrong = db::Error::from(sqlx::Error::RowNotFound);
        assert_eq!(Problem::from(wrong).code(), Code::Internal);
    }
}
