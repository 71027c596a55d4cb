//! A request's body, which nobody reads before the caller's right is known; then within bounds of
//! bytes, time, depth and number of items, since a few bytes of JSON may cost a hundred of memory.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use melouvert_domain::Siren;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{error::ApiError, shape, tenant::Tenant};

/// What a route's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes.
    pub bytes: usize,
    /// From the first byte asked for to the last.
    pub patience: Duration,
    /// Nested arrays and objects.
    pub depth: usize,
    /// Values of all kinds together.
    pub items: usize,
}

/// Of an ordinary request.
pub const ORDINARY: Bounds = Bounds {
    bytes: 64 << 10,
    patience: Duration::from_secs(10),
    depth: 4,
    items: 200,
};
/// Of an import: [`melouvert_api::wire::IMPORT_MAX`] agents with long names.
pub const IMPORT: Bounds = Bounds {
    bytes: 8 << 20,
    patience: Duration::from_secs(30),
    depth: 4,
    items: 40_000,
};
/// Of the report of an account: some fifty thousand exceptions.
pub const REPORT: Bounds = Bounds {
    bytes: 16 << 20,
    patience: Duration::from_secs(30),
    depth: 12,
    items: 600_000,
};

/// Requests with long bodies under way: what they hold in memory is bounded by their number. One of
/// a space at a time, however slowly it sends.
#[derive(Debug)]
pub struct Reading {
    all: Semaphore,
    spaces: Mutex<BTreeSet<Siren>>,
}

/// How many requests with long bodies at once.
const LONG_BODIES: usize = 2;
/// For a place among them.
const TURN: Duration = Duration::from_mins(1);

impl Default for Reading {
    fn default() -> Self {
        Self {
            all: Semaphore::new(LONG_BODIES),
            spaces: Mutex::default(),
        }
    }
}

/// A place for one long body, until its request is answered.
#[derive(Debug)]
pub struct LongBody<'a> {
    reading: &'a Reading,
    space: Siren,
    _permit: SemaphorePermit<'a>,
}

impl Reading {
    /// A place for a space's long body; refused when it has one already, or when the others' take
    /// too long.
    pub async fn place(&self, space: &Siren) -> Result<LongBody<'_>, ApiError> {
        let permit = tokio::time::timeout(TURN, self.all.acquire())
            .await
            .map_err(|_| busy())?
            .map_err(|error| ApiError::internal(&error))?;
        if !self.lock().insert(space.clone()) {
            return Err(busy());
        }
        Ok(LongBody {
            reading: self,
            space: space.clone(),
            _permit: permit,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Siren>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LongBody<'_> {
    fn drop(&mut self) {
        self.reading.lock().remove(&self.space);
    }
}

/// A body that was not read. Only a [`Tenant`] that the caller may act upon opens it.
#[derive(Debug)]
pub struct Unread(Request);

impl<S: Send + Sync> FromRequest<S> for Unread {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self(request))
    }
}

impl Unread {
    /// Reads a JSON value, once `_entered` proves the right.
    pub async fn json<T: DeserializeOwned + Send + 'static>(
        self,
        _entered: &Tenant,
        bounds: Bounds,
    ) -> Result<T, ApiError> {
        self.read(bounds).await
    }

    async fn read<T: DeserializeOwned + Send + 'static>(
        self,
        bounds: Bounds,
    ) -> Result<T, ApiError> {
        let (parts, body) = self.0.into_parts();
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let json = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        if !json {
            return Err(ApiError::bad_request("content-type: application/json"));
        }
        // Told before anything is sent, so that nothing is read in vain.
        let told = header(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if told.is_some_and(|length| length > bounds.bytes) {
            return Err(too_large());
        }
        let bytes = tokio::time::timeout(bounds.patience, collect(body, bounds.bytes))
            .await
            .map_err(|_| slow())??;
        // Off the request threads: the longest takes a second.
        tokio::task::spawn_blocking(move || parse(&bytes, bounds))
            .await
            .map_err(|error| ApiError::internal(&error))?
    }
}

async fn collect(body: Body, limit: usize) -> Result<hyper::body::Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(error) => Err(ApiError::bad_request(&error.to_string())),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8], bounds: Bounds) -> Result<T, ApiError> {
    shape::check(bytes, bounds.depth, bounds.items)
        .and_then(|()| serde_json::from_slice(bytes))
        .map_err(|error| ApiError::bad_request(&error.to_string()))
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "TooLarge",
        ("la requête est trop grande", "the request is too large"),
        ("coupez l'envoi en plusieurs", "split what you send"),
    )
}

fn slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "TooSlow",
        (
            "la requête n'est pas arrivée entière à temps",
            "the request did not arrive whole in time",
        ),
        (
            "réessayez, plus près du cluster si votre liaison est lente",
            "try again, nearer to the cluster if your link is slow",
        ),
    )
}

fn busy() -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "Busy",
        (
            "trop de longues requêtes à la fois",
            "too many long requests at once",
        ),
        ("réessayez dans une minute", "try again in a minute"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: Body) -> Unread {
        Unread(
            Request::post("/")
                .header(CONTENT_TYPE, "application/json")
                .body(body)
                .unwrap(),
        )
    }

    async fn status(unread: Unread, bounds: Bounds) -> Option<u16> {
        let read = unread.read::<serde_json::Value>(bounds);
        read.await.err().map(|error| error.status.as_u16())
    }

    #[tokio::test]
    async fn each_bound_refuses() {
        let tiny = Bounds {
            bytes: 100,
            patience: Duration::from_millis(50),
            depth: 2,
            items: 10,
        };
        let text = |text: &str| request(Body::from(text.to_owned()));
        assert_eq!(
            status(text(r#"{"a": [1, 2]}"#), tiny).await,
            None,
            "the control"
        );
        assert_eq!(status(text("[[[1]]]"), tiny).await, Some(400));
        assert_eq!(
            status(text("[1,1,1,1,1,1,1,1,1,1,1]"), tiny).await,
            Some(400)
        );
        assert_eq!(status(text(&" ".repeat(101)), tiny).await, Some(413));
        let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        assert_eq!(
            status(request(Body::from_stream(never)), tiny).await,
            Some(408)
        );
        let plain = Unread(Request::post("/").body(Body::from("{}")).unwrap());
        assert_eq!(status(plain, tiny).await, Some(400));
    }

    #[tokio::test]
    async fn a_length_that_is_told_is_refused_before_a_byte_is_read() {
        let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let mut unread = request(Body::from_stream(never));
        unread
            .0
            .headers_mut()
            .insert(CONTENT_LENGTH, 9_000_000.into());
        assert_eq!(status(unread, IMPORT).await, Some(413));
    }

    #[tokio::test(start_paused = true)]
    async fn a_space_has_one_long_body_at_a_time() {
        let reading = Reading::default();
        let spaces: Vec<Siren> = ["211401187", "217605401", "356000000"]
            .map(|siren| siren.parse().unwrap())
            .into();
        let first = reading.place(&spaces[0]).await.unwrap();
        let again = reading.place(&spaces[0]).await.unwrap_err();
        assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
        let second = reading.place(&spaces[1]).await.expect("the control");
        let third = reading.place(&spaces[2]).await.unwrap_err();
        assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
        drop((first, second));
        reading.place(&spaces[0]).await.expect("given back");
    }

    #[tokio::test]
    async fn the_audits_body_is_refused_for_what_it_would_take() {
        let hostile = format!("[{}[]]", "[],".repeat(5_000_000));
        assert!(hostile.len() < REPORT.bytes);
        assert_eq!(
            status(request(Body::from(hostile)), REPORT).await,
            Some(400)
        );
        let deep = "[".repeat(100_000);
        assert_eq!(status(request(Body::from(deep)), REPORT).await, Some(400));
        let keys: Vec<String> = (0..700_000).map(|n| format!("\"{n}\":0")).collect();
        let keys = format!("{{{}}}", keys.join(","));
        assert!(keys.len() < REPORT.bytes);
        assert_eq!(status(request(Body::from(keys)), REPORT).await, Some(400));
    }
}
