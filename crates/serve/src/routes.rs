//! The routes of the service: which function answers which address.

use crate::assets::Assets;
use crate::counters::Counters;
use crate::downsample::{DEFAULT_POINTS, MAX_POINTS, downsample};
use crate::error::{Answer, RequestError, ServeError};
use crate::events;
use crate::faces::{Faces, blocking, entity_tag, is_known};
use crate::guard::Guard;
use crate::query::Params;
use crate::run_list::{Run, RunList};
use crate::summary::{Details, State as RunState, Watch};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path as PathParams, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Largest number of bytes of a request's body.
const MAX_BODY: usize = 256 << 10;
/// Time within which a body must arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest number of streams of events that are open at the same time.
const MAX_STREAMS: u64 = 1000;
/// Approximate number of bytes of metrics in memory above which those of runs that no request uses are dropped.
const MAX_METRICS: usize = 64 << 20;
/// Largest number of bytes of a picture file that is sent.
const MAX_PICTURE: u64 = 64 << 20;

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct App {
    runs: Option<Arc<RunList>>,
    faces: Faces,
    pub(crate) counters: Arc<Counters>,
    pub(crate) guard: Guard,
    assets: Assets,
    /// Runs that requests have used, by their names.
    watches: Mutex<HashMap<String, Arc<Watch>>>,
    /// Becomes true when the service stops.
    pub(crate) stop: watch::Sender<bool>,
}

type Shared = State<Arc<App>>;
type Id = PathParams<String>;

impl App {
    /// Creates the state. `assets` is a folder to take the files of the page from instead of
    /// those in the program.
    pub(crate) fn new(
        runs: Option<Arc<RunList>>,
        faces: Faces,
        counters: Arc<Counters>,
        guard: Guard,
        assets: Option<&Path>,
    ) -> Result<Self, ServeError> {
        let (assets, stop) = (Assets::new(assets)?, watch::Sender::new(false));
        Ok(Self { runs, faces, counters, guard, assets, watches: Mutex::default(), stop })
    }

    /// Returns the run of a name, with its metrics and summary.
    fn watch(&self, id: &str) -> Answer<Arc<Watch>> {
        let runs = self.runs.as_ref().ok_or_else(|| RequestError::not_found(format!("there is no run {id:?}")))?;
        Ok(self.watch_run(runs.open(id)?))
    }

    /// Returns the shared view of a run that is kept while requests use it. Others are dropped when they take too much
    /// memory.
    fn watch_run(&self, run: Run) -> Arc<Watch> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.values().map(|watch| watch.size()).sum::<usize>() > MAX_METRICS || watches.len() > 1000 {
            watches.retain(|_, watch| Arc::strong_count(watch) > 1);
        }
        let id = run.id.clone();
        Arc::clone(watches.entry(id).or_insert_with(|| Arc::new(Watch::new(run))))
    }
}

/// Returns the router with all addresses of the service.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{version}/{*name}", get(asset))
        .route("/favicon.ico", get(icon))
        .route("/openapi.json", get(openapi))
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(counters))
        .route("/api/runs", get(runs))
        .route("/api/runs/{id}", get(run))
        .route("/api/runs/{id}/metrics", get(metrics))
        .route("/api/runs/{id}/events", get(run_events))
        .route("/api/runs/{id}/samples/{name}", get(sample))
        .route("/api/runs/{id}/data.png", get(data_sheet))
        .route("/api/models", get(models))
        .route("/api/models/{id}", get(model))
        .route("/api/models/{id}/faces.png", get(faces))
        .route("/api/models/{id}/face.png", get(face))
        .route("/api/models/{id}/draw", post(draw))
        .fallback(async || RequestError::not_found("there is nothing at this address"))
        .with_state(app)
}

/// Answers with JSON, which clients ask for again each time.
fn json_response(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|error| RequestError::internal(error.to_string()))?;
    Ok(with_type(text.into(), "application/json", "no-cache"))
}

/// Answers with a body of this `Content-Type` and `Cache-Control`.
fn with_type(body: Body, media_type: &'static str, cache: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// `GET /`: the page.
async fn page(State(app): Shared) -> Response {
    with_type(app.assets.page().into(), "text/html; charset=utf-8", "no-cache")
}

/// `GET /assets/{version}/{name}`: a file of the page. Its address contains the version of all files, so it can be kept
/// forever.
async fn asset(State(app): Shared, PathParams((version, name)): PathParams<(String, String)>) -> Answer {
    let file = app.assets.get(&name).filter(|_| version == app.assets.version);
    let file = file.ok_or_else(|| RequestError::not_found("there is no such file of the page: load the page again"))?;
    let cache = "public, max-age=31536000, immutable";
    Ok(with_type(file.content.to_vec().into(), file.media_type, cache))
}

async fn icon(State(app): Shared) -> Response {
    with_type(app.assets.text("icon.svg").into_owned().into(), "image/svg+xml", "max-age=86400")
}

async fn openapi(State(app): Shared) -> Response {
    with_type(app.assets.text("openapi.json").into_owned().into(), "application/json", "no-cache")
}

/// `GET /metrics`: the counters in Prometheus' text format.
async fn counters(State(app): Shared) -> Response {
    with_type(app.counters.to_text().into(), "text/plain; version=0.0.4", "no-store")
}

/// `GET /api/runs`: all runs, those that are running first, then the newest.
async fn runs(State(app): Shared) -> Answer {
    let summaries = blocking(move || {
        let Some(runs) = &app.runs else { return Vec::new() };
        let mut summaries: Vec<_> = runs.all().into_iter().map(|run| app.watch_run(run).summary()).collect();
        summaries.sort_by(|a, b| {
            let key = |summary: &crate::summary::Summary| {
                (summary.state == RunState::Running, summary.started.clone(), summary.id.clone())
            };
            key(b).cmp(&key(a))
        });
        summaries
    })
    .await?;
    let summaries: Vec<_> = summaries.iter().map(|summary| &**summary).collect();
    json_response(&json!({ "runs": summaries }))
}

/// `GET /api/runs/{id}`: everything about a run but its metrics.
async fn run(State(app): Shared, PathParams(id): Id) -> Answer {
    let watch = app.watch(&id)?;
    let details = blocking(move || Details::of(&watch.run, (*watch.summary()).clone())).await?;
    json_response(&details)
}

/// `GET /api/runs/{id}/metrics`: the steps after `after` and up to `until`, reduced to `points` points.
async fn metrics(State(app): Shared, PathParams(id): Id, uri: Uri) -> Answer {
    let params = Params::parse(uri.query(), &["after", "until", "points"])?;
    let after = params.number("after", 0, 0..=u64::MAX)?;
    let until = params.number("until", u64::MAX, 0..=u64::MAX)?;
    let points = params.number("points", DEFAULT_POINTS, 1..=MAX_POINTS)?;
    let watch = app.watch(&id)?;
    let metrics = blocking(move || {
        let log = watch.log().map_err(|error| RequestError::internal(format!("cannot read metrics.jsonl: {error}")))?;
        Ok::<_, RequestError>(downsample(&log.1, after, until, points))
    })
    .await??;
    json_response(&metrics)
}

/// `GET /api/runs/{id}/events`: the events of a run after a step. At most [`MAX_STREAMS`] such streams are open.
async fn run_events(State(app): Shared, PathParams(id): Id, uri: Uri, headers: HeaderMap) -> Answer {
    let params = Params::parse(uri.query(), &["after"])?;
    let after = events::start_step(headers.get("last-event-id"), params.get("after"))?;
    let watch = app.watch(&id)?;
    if app.counters.streams.fetch_add(1, Relaxed) >= MAX_STREAMS {
        app.counters.streams.fetch_sub(1, Relaxed);
        return Err(RequestError::busy("too many streams of events are open: try again later"));
    }
    let counters = Arc::clone(&app.counters);
    let on_end = move || {
        counters.streams.fetch_sub(1, Relaxed);
    };
    Ok(events::stream(watch, after, app.stop.subscribe(), on_end))
}

/// `GET /api/runs/{id}/samples/{epoch}.png`: the sheet of faces after an epoch.
async fn sample(
    State(app): Shared,
    PathParams((id, name)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let epoch = name.strip_suffix(".png").and_then(|epoch| epoch.parse::<u64>().ok());
    let epoch = epoch.ok_or_else(|| RequestError::not_found("samples are named by their epoch, such as 12.png"))?;
    let watch = app.watch(&id)?;
    picture(watch, vec!["samples".to_owned(), format!("epoch-{epoch:04}.png")], headers).await
}

/// `GET /api/runs/{id}/data.png`: the sheet of the training pictures.
async fn data_sheet(State(app): Shared, PathParams(id): Id, headers: HeaderMap) -> Answer {
    picture(app.watch(&id)?, vec!["data.png".to_owned()], headers).await
}

/// Answers with a picture file of a run. A run that goes back writes it again, so browsers must revalidate it.
async fn picture(watch: Arc<Watch>, parts: Vec<String>, headers: HeaderMap) -> Answer {
    let name = parts.join("/");
    let read = blocking(move || {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        watch.run.read(&parts, MAX_PICTURE)
    })
    .await?;
    let bytes = read.map_err(|_| RequestError::not_found(format!("the run has no {name}")))?;
    let tag = entity_tag("file", &format!("{:x?}", <sha2::Sha256 as sha2::Digest>::digest(&bytes)));
    let mut response = if is_known(&headers, &tag) {
        let mut response = with_type(Body::empty(), "image/png", "private, no-cache");
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        with_type(bytes.into(), "image/png", "private, no-cache")
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `GET /api/models`: the models that can draw.
async fn models(State(app): Shared) -> Answer {
    let models = blocking(move || {
        let named = app.faces.models.named().map(str::to_owned);
        let runs = app.runs.as_ref().map(|runs| runs.all()).unwrap_or_default();
        let mut of_runs: Vec<_> = runs.into_iter().map(|run| app.watch_run(run).summary()).collect();
        of_runs.sort_by(|a, b| (&b.started, &b.id).cmp(&(&a.started, &a.id)));
        let of_runs = of_runs.iter().flat_map(|summary| [summary.best.clone(), summary.model.clone()]).flatten();
        named.into_iter().chain(of_runs).collect::<Vec<String>>()
    })
    .await?;
    json_response(&json!({ "models": models }))
}

/// `GET /api/models/{id}`: the facts about a generator.
async fn model(State(app): Shared, PathParams(id): Id) -> Answer {
    json_response(&blocking(move || app.faces.models.facts(&id)).await??)
}

/// `GET /api/models/{id}/faces.png`: a sheet of the faces of seeds.
async fn faces(State(app): Shared, PathParams(id): Id, uri: Uri, headers: HeaderMap) -> Answer {
    app.faces.sheet(id, uri.query(), &headers).await
}

/// `GET /api/models/{id}/face.png`: the face of one seed.
async fn face(State(app): Shared, PathParams(id): Id, uri: Uri, headers: HeaderMap) -> Answer {
    app.faces.face(id, uri.query(), &headers).await
}

/// `POST /api/models/{id}/draw`: faces of the points that the JSON body describes, as a sheet, an animation or noise.
async fn draw(State(app): Shared, PathParams(id): Id, request: Request) -> Answer {
    // A form of another site can send other types without asking first.
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if media_type.split(';').next().map(str::trim) != Some("application/json") {
        let message = "the body must be of type application/json";
        return Err(RequestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = read_body(request.into_body()).await?;
    app.faces.drawing(id, body).await
}

/// Reads a body of at most [`MAX_BODY`] bytes, within [`BODY_TIMEOUT`].
async fn read_body(body: Body) -> Answer<Bytes> {
    let too_large = |_| {
        RequestError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is not complete, or more than {MAX_BODY} bytes"),
        )
    };
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await {
        Ok(body) => body.map_err(too_large),
        Err(_) => Err(RequestError::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")),
    }
}
