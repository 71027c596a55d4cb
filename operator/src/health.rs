//! `/healthz`, `/readyz`, `/metrics`, `/alarms`, `/database`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use melouvert_store::administrator_script;
use tokio_util::sync::CancellationToken;

use crate::{alarms::Alarms, database::Database, leader::Leadership, metrics::Metrics};

/// What the endpoints tell.
#[derive(Clone)]
pub struct Health {
    /// The database's state.
    pub database: Database,
    /// Whether this process leads.
    pub leadership: Leadership,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// What somebody should look at.
    pub alarms: Alarms,
    /// Whether the database is the chart's own.
    pub embedded: bool,
}

/// Serves until `stop`.
pub async fn serve(
    listen: SocketAddr,
    health: Health,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/alarms", get(alarms))
        .route("/database", get(database))
        .route("/database/script", get(script))
        .with_state(health);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Ready once this process leads and reaches its database; says what is missing otherwise.
async fn ready(State(health): State<Health>) -> Response {
    if !health.leadership.held() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "lease: waiting for the holder\n",
        )
            .into_response();
    }
    let answer = match health.database.get() {
        Ok(store) => store
            .ping()
            .await
            .map_err(|error| crate::errors::chain(&error)),
        Err(error) => Err(crate::errors::chain(&error)),
    };
    match answer {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("database: {why}\n"),
        )
            .into_response(),
    }
}

/// What a space's login may still do to others in the database, which `melouvert doctor` shows.
async fn database(State(health): State<Health>) -> Response {
    let told = async {
        let store = health
            .database
            .get()
            .map_err(|e| crate::errors::chain(&e))?;
        store
            .weaknesses()
            .await
            .map_err(|error| crate::errors::chain(&error))
    };
    match told.await {
        Ok(weaknesses) => Json(serde_json::json!({
            "embedded": health.embedded,
            "weaknesses": weaknesses,
        }))
        .into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// What the administrator of an external server runs.
async fn script(State(health): State<Health>) -> Response {
    match health.database.get() {
        Ok(store) => administrator_script(store.user()).into_response(),
        Err(error) => {
            let why = format!("{}\n", crate::errors::chain(&error));
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    health.metrics.alarms(&health.alarms.all());
    match health.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn alarms(State(health): State<Health>) -> Response {
    Json(health.alarms.all()).into_response()
}
