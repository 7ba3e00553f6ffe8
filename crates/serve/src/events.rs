//! Server-sent events that follow a run.
//!
//! | event | data |
//! |---|---|
//! | `metrics` | the steps after the last event, as `…/metrics` gives them, a point a step; its `id` is the last step |
//! | `resync` | `{"last_step"}`: there are more steps than fit into an event; request `…/metrics` |
//! | `reset` | `{"last_step"}`: the run has gone back, so steps of earlier events may be outdated |
//! | `run` | the run's summary, when it has changed |
//!
//! A browser that was disconnected sends the last `id` as `Last-Event-ID` and gets the events since then.

use crate::downsample::downsample;
use crate::error::{Answer, RequestError};
use crate::faces::blocking;
use crate::summary::{State, Summary, Watch};
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderValue};
use axum::response::Response;
use http_body::Frame;
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Interval at which a stream looks for news.
const INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which the stream of a run that has ended checks whether it was resumed.
const IDLE_INTERVAL: Duration = Duration::from_secs(3);
/// Time without news after which a comment is sent, so that a broken connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Largest number of steps in one event.
const MAX_STEPS: usize = 500;

/// The body of an answer that sends events when they occur.
struct EventBody {
    events: mpsc::Receiver<Bytes>,
    /// Runs when the stream ends.
    _on_end: OnEnd,
}

/// Calls a function when it is dropped.
struct OnEnd(Box<dyn Fn() + Send + Sync>);

impl Drop for OnEnd {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.events.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Returns a server-sent event whose data is JSON.
fn event(name: &str, id: Option<u64>, data: &impl serde::Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

/// Position up to which a stream has sent its run.
struct StreamPosition {
    step: u64,
    rewinds: Option<u64>,
    summary: Option<Arc<Summary>>,
}

impl StreamPosition {
    /// Returns the events since the last call. Blocks while files are read.
    fn news(&mut self, watch: &Watch) -> Vec<Bytes> {
        let mut events = Vec::new();
        let summary = watch.summary();
        if self.summary.as_ref() != Some(&summary) {
            events.push(event("run", None, &*summary));
            self.summary = Some(summary);
        }
        let Ok(guard) = watch.log() else { return events };
        let log = &guard.1;
        let (last_step, rewinds) = (log.last_step(), log.rewinds);
        if self.rewinds.is_some_and(|told| told != rewinds) || last_step < self.step {
            events.push(event("reset", Some(last_step), &json!({ "last_step": last_step })));
            self.step = last_step;
        } else if log.steps.len() - log.place_after(self.step) > MAX_STEPS {
            events.push(event("resync", Some(last_step), &json!({ "last_step": last_step })));
            self.step = last_step;
        } else if last_step > self.step {
            let metrics = downsample(log, self.step, u64::MAX, MAX_STEPS);
            events.push(event("metrics", Some(last_step), &metrics));
            self.step = last_step;
        }
        self.rewinds = Some(rewinds);
        events
    }
}

/// Answers with the events of a run after step `after`, until `stop` is true. `on_end` is called when the stream ends.
pub(crate) fn stream(
    watch: Arc<Watch>,
    after: u64,
    mut stop: watch::Receiver<bool>,
    on_end: impl Fn() + Send + Sync + 'static,
) -> Response {
    let (sender, events) = mpsc::channel(8);
    tokio::spawn(async move {
        let mut told = StreamPosition { step: after, rewinds: None, summary: None };
        let mut silent = Duration::ZERO;
        let _ = sender.send(Bytes::from_static(b"retry: 2000\n\n")).await;
        loop {
            let known = Arc::clone(&watch);
            let news: Answer<(StreamPosition, Vec<Bytes>)> = blocking(move || {
                let news = told.news(&known);
                (told, news)
            })
            .await;
            let Ok((returned, news)) = news else { return };
            told = returned;
            silent = if news.is_empty() { silent } else { Duration::ZERO };
            for event in news {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
            if silent >= HEARTBEAT {
                silent = Duration::ZERO;
                if sender.send(Bytes::from_static(b": still here\n\n")).await.is_err() {
                    return;
                }
            }
            let is_running = told.summary.as_ref().is_some_and(|summary| summary.state == State::Running);
            let interval = if is_running { INTERVAL } else { IDLE_INTERVAL };
            silent += interval;
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = sender.closed() => return,
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    });
    let body = EventBody { events, _on_end: OnEnd(Box::new(on_end)) };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy must not wait for the end.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Returns the step after which a stream begins, from `Last-Event-ID` or else the address.
pub(crate) fn start_step(last_event_id: Option<&HeaderValue>, after: Option<&str>) -> Answer<u64> {
    let text = last_event_id.and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty()).or(after);
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| RequestError::bad(format!("{text:?} is no step: Last-Event-ID and after are numbers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics_log::tests::line;
    use crate::run_list::RunList;
    use std::fs;

    fn names(events: &[Bytes]) -> Vec<String> {
        let text = |event: &Bytes| String::from_utf8(event.to_vec()).unwrap();
        let name = |event: &Bytes| text(event).lines().find_map(|line| line.strip_prefix("event: ").map(str::to_owned));
        events.iter().filter_map(name).collect()
    }

    #[test]
    fn a_stream_tells_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0000-run");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("config.toml"), "").unwrap();
        let lines = |last: u64| (1..=last).map(|step| line(step, 0.5)).collect::<String>();
        let metrics = path.join("metrics.jsonl");
        fs::write(&metrics, lines(3)).unwrap();
        let run = RunList::new(folder.path()).open("0000-run").unwrap();
        // Each watch looks at the files at once.
        let mut told = StreamPosition { step: 1, rewinds: None, summary: None };
        let watch = Watch::new(run.clone());
        let news = told.news(&watch);
        assert_eq!(names(&news), ["run", "metrics"]);
        let text = String::from_utf8(news[1].to_vec()).unwrap();
        assert!(text.starts_with("id: 3\n") && text.contains("\"step\":[2,3]") && text.ends_with("\n\n"), "{text}");
        assert!(told.news(&watch).is_empty());
        let mut ahead = StreamPosition { step: 9, rewinds: None, summary: None };
        assert_eq!((names(&ahead.news(&watch)), ahead.step), (vec!["run".to_owned(), "reset".to_owned()], 3));

        let later = |told: &mut StreamPosition, last: u64| {
            fs::write(&metrics, lines(last)).unwrap();
            std::thread::sleep(Duration::from_millis(750));
            names(&told.news(&watch))
        };
        assert_eq!(later(&mut told, 5), ["run", "metrics"]);
        assert_eq!(later(&mut told, 2), ["run", "reset"]);
        assert_eq!((told.step, later(&mut told, 900)), (2, vec!["run".to_owned(), "resync".to_owned()]));
    }

    #[test]
    fn the_start_is_a_step() {
        let id = |text: &'static str| Some(HeaderValue::from_static(text));
        assert_eq!(start_step(id("7").as_ref(), Some("3")), Ok(7));
        assert_eq!(start_step(id("").as_ref(), Some("3")), Ok(3));
        assert_eq!(start_step(None, None), Ok(0));
        assert!(start_step(id("-1").as_ref(), None).is_err() && start_step(None, Some("x")).is_err());
    }
}
