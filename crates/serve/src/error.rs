//! Errors: of the service as a whole, and of one request.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Error returned when a service cannot be started or a report cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The host name of `--host` has no address.
    #[error("--host {host}: no address of that name was found")]
    Host {
        /// The name.
        host: String,
    },
    /// A folder or file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The system returns no random bytes for the token.
    #[error("the system gives no random numbers for the token: {0}")]
    Random(String),
    /// The threads that answer requests cannot be started.
    #[error("cannot start the threads of the service")]
    Threads(#[source] io::Error),
    /// The file of `--model` cannot be used.
    #[error("{0}")]
    Model(String),
    /// There is no run in the folder.
    #[error("{0:?} is no run's folder: it has no config.toml")]
    NoRun(PathBuf),
}

/// The result of a request.
pub(crate) type Answer<T = Response> = Result<T, RequestError>;

/// Error answer to a request: a status and a sentence for the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestError {
    status: StatusCode,
    message: String,
    /// Seconds after which the sender should try again (`Retry-After`).
    retry_after: Option<u32>,
}

impl RequestError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None }
    }

    /// 400: the request itself is wrong.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 429: more requests are waiting than can be answered soon.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.message }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
