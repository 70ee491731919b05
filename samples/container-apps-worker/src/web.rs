//! The probes and the status page.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use azure_leader_election::LeaderHost;

use crate::board::{Board, Phase};
use crate::config::Config;
use crate::view::View;
use crate::{health, page};

/// What requests are answered from. None of them sends anything to the store.
pub struct App {
    pub config: Arc<Config>,
    pub host: LeaderHost,
    pub board: Arc<Board>,
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/", get(status_page))
        .route("/status.json", get(status_json))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", page::CSS)))
        .route("/page.js", get(async || asset("text/javascript; charset=utf-8", page::JS)))
        .with_state(Arc::new(app))
}

/// Liveness: whether a restart would do no good. A store out of reach is nothing that it would mend.
async fn healthz(State(app): State<Arc<App>>) -> Response {
    match health::ailment(&app.host, &app.board) {
        Some(ailment) if health::needs_restart(&ailment) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{ailment}\n")).into_response()
        }
        Some(ailment) => format!("alive, but {ailment}\n").into_response(),
        None => "alive\n".into_response(),
    }
}

/// Readiness: a deployment stops the old revision when the new one is ready, so this must not wait until it leads.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let not_yet = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    match app.board.phase() {
        _ if health::is_ready(&app.host, &app.board) => "contending\n".into_response(),
        Phase::Starting => not_yet("starting\n"),
        Phase::Contending => not_yet("the store has not answered yet\n"),
        Phase::Draining => not_yet("told to end\n"),
    }
}

async fn status_page(State(app): State<Arc<App>>) -> Response {
    fresh("text/html; charset=utf-8", page::render(&view(&app)).into_string())
}

async fn status_json(State(app): State<Arc<App>>) -> Response {
    match serde_json::to_string(&view(&app)) {
        Ok(text) => fresh("application/json", text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn view(app: &App) -> View {
    View::of(&app.config, &app.host, &app.board)
}

fn fresh(kind: &'static str, body: String) -> Response {
    (headers(kind, "no-store"), body).into_response()
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    (headers(kind, "max-age=300"), body).into_response()
}

/// Whatever a holder's name may hold, nothing on the page runs or loads but its own files.
fn headers(kind: &'static str, cache: &'static str) -> [(HeaderName, &'static str); 4] {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]
}
