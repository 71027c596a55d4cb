//! Routes, and what holds for all of them: time, identifiers, traces without secrets.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use tower_http::{
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use super::{agents, error::ApiError, journal, migrations, quota, state::Platform};

/// For an ordinary request.
const PATIENCE: Duration = Duration::from_secs(30);
/// For an import (a hash takes some 20 ms of a processor) or a verification of a whole journal.
const LONG_PATIENCE: Duration = Duration::from_mins(5);

/// The whole API.
pub fn router(platform: Arc<Platform>) -> Router {
    let tenant = "/v1/tenants/{siren}";
    let ordinary = Router::new()
        .route(
            &format!("{tenant}/agents"),
            get(agents::list).post(agents::add),
        )
        .route(
            &format!("{tenant}/agents/{{address}}"),
            delete(agents::remove),
        )
        .route(
            &format!("{tenant}/agents/{{address}}/password"),
            put(agents::set_password),
        )
        .route(&format!("{tenant}/quota"), get(quota::get))
        .route(&format!("{tenant}/journal"), get(journal::tenant))
        .route(
            &format!("{tenant}/migrations/{{name}}/accounts/{{account}}/progress"),
            put(migrations::put_progress),
        )
        .route("/v1/journal", get(journal::platform))
        .layer(middleware::from_fn(short));
    let long = Router::new()
        .route(
            &format!("{tenant}/migrations/{{name}}/report"),
            get(migrations::get_report),
        )
        .route(
            &format!("{tenant}/migrations/{{name}}/accounts/{{account}}/report"),
            put(migrations::put_report),
        )
        .route(
            &format!("{tenant}/journal/verification"),
            get(journal::tenant_verification),
        )
        .route(
            "/v1/journal/verification",
            get(journal::platform_verification),
        )
        .route(&format!("{tenant}/agents:import"), post(agents::import))
        .layer(middleware::from_fn(long));
    ordinary
        .merge(long)
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .with_state(platform)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(DefaultOnResponse::new().level(Level::INFO)),
        )
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// The route rather than the path, which may hold an agent's address; no header.
fn span(request: &Request) -> tracing::Span {
    let id = request
        .headers()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or("");
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    tracing::info_span!("request", method = %request.method(), route, id)
}

async fn no_route() -> ApiError {
    ApiError::not_found(
        "NoSuchRoute",
        "path",
        (
            "cette adresse n'existe pas dans l'API",
            "the API has no such address",
        ),
        (
            "vérifiez que le client a la version de la plateforme",
            "check that the client has the platform's version",
        ),
    )
}

async fn short(request: Request, next: Next) -> Response {
    within(PATIENCE, request, next).await
}

async fn long(request: Request, next: Next) -> Response {
    within(LONG_PATIENCE, request, next).await
}

/// A handler that is cut leaves its transaction undone.
async fn within(patience: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(elapsed) => {
            ApiError::unavailable(("la plateforme", "the platform"), &elapsed).into_response()
        }
    }
}
