//! Accepts connections up to a limit, with a timeout for everything that a peer may delay, and closes them when the
//! service stops.

use crate::counters::Counters;
use crate::error::{RequestError, ServeError};
use crate::faces::Faces;
use crate::guard::{Guard, add_headers};
use crate::models::Models;
use crate::routes::{App, router};
use crate::run_list::RunList;
use crate::slow::WriteTimeout;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dcgan::Cpu;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower_service::Service as _;

/// Largest number of connections that are open at the same time.
const MAX_CONNECTIONS: usize = 1200;
/// Number of file descriptors that are kept for other uses than connections.
const OTHER_FILES: usize = 64;
/// Time within which a request's head must arrive, and the next request on a connection that is kept open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Time within which a peer must read more of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest number of bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;
/// Time that a service which stops waits for requests under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval at which the service checks whether it should stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// Options of a [`Service`].
#[derive(Debug)]
pub struct Options {
    /// The folder of runs, or a run's folder; it may be missing yet. `None` shows no runs.
    pub runs: Option<PathBuf>,
    /// A model file or a run's folder to draw with.
    pub model: Option<PathBuf>,
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 is any that is free.
    pub port: u16,
    /// Whether another port is taken if `port` is in use.
    pub any_port: bool,
    /// Names that requests may have as their `Host`, beside the service's own address: those of a reverse proxy.
    pub allowed_hosts: Vec<String>,
    /// A folder with the page's files, instead of those that were built in; for work on the page.
    pub assets: Option<PathBuf>,
    /// The processor that draws.
    pub cpu: Cpu,
}

/// Address of a [`Service`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address it listens on.
    pub socket: SocketAddr,
    /// The page's address, with the token if one is needed.
    pub url: String,
}

/// A service that listens on its address. It answers in [`Service::run`].
#[derive(Debug)]
pub struct Service {
    listener: std::net::TcpListener,
    address: Address,
    app: Arc<App>,
}

impl Service {
    /// Starts to listen. Requests wait until [`Service::run`].
    ///
    /// # Errors
    /// If the address cannot be listened on, or the model cannot be used.
    pub fn bind(options: Options) -> Result<Self, ServeError> {
        let Options { runs, model, host, port, any_port, allowed_hosts, assets, cpu } = options;
        let no_address = || ServeError::Host { host: host.clone() };
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let socket = (name, port).to_socket_addrs().map_err(|_| no_address())?.next().ok_or_else(no_address)?;
        let listen = |address: SocketAddr| std::net::TcpListener::bind(address);
        let listener = match listen(socket) {
            Err(error) if any_port && error.kind() == std::io::ErrorKind::AddrInUse => {
                listen(SocketAddr::new(socket.ip(), 0))
            }
            other => other,
        };
        let cannot_listen = |source| ServeError::Listen { address: socket, source };
        let listener = listener.map_err(cannot_listen)?;
        listener.set_nonblocking(true).map_err(cannot_listen)?;
        let socket = listener.local_addr().map_err(cannot_listen)?;

        let token = if socket.ip().is_loopback() { None } else { Some(new_token()?) };
        let counters: Arc<Counters> = Arc::default();
        let runs = runs.map(|folder| Arc::new(RunList::new(&folder)));
        let models = Models::new(runs.clone(), model, cpu, Arc::clone(&counters))?;
        if let Some(id) = models.named() {
            models.get(id).map_err(|error| ServeError::Model(error.to_string()))?;
        }
        let faces = Faces::new(Arc::new(models), Arc::clone(&counters)).map_err(ServeError::Threads)?;
        let guard = Guard::new(socket, &allowed_hosts, token);
        let address = Address { socket, url: url(socket, guard.token()) };
        let app = Arc::new(App::new(runs, faces, counters, guard, assets.as_deref())?);
        Ok(Self { listener, address, app })
    }

    /// Returns the address of the service.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Answers requests until `stop` is true. Requests under way are answered, and live streams are ended.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn run(self, stop: &AtomicBool) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(16)
            .thread_name("serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(ServeError::Threads)?;
        let Self { listener, address, app } = self;
        let result = runtime.block_on(async {
            let listener = TcpListener::from_std(listener)
                .map_err(|source| ServeError::Listen { address: address.socket, source })?;
            accept(listener, app, stop).await;
            Ok(())
        });
        // What is still being computed is wanted by nobody.
        runtime.shutdown_timeout(Duration::from_millis(100));
        result
    }
}

/// Accepts connections until `stop` is true, then waits for those that are open.
async fn accept(listener: TcpListener, app: Arc<App>, stop: &AtomicBool) {
    let connections = Arc::new(Semaphore::new(connection_limit()));
    let router = router(Arc::clone(&app));
    let stopped = async {
        while !stop.load(Relaxed) {
            tokio::time::sleep(STOP_INTERVAL).await;
        }
    };
    let mut stopped = pin!(stopped);
    loop {
        let accepted = async {
            // Beyond the limit, peers wait in the system's queue.
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, router) = (Arc::clone(&app), router.clone());
                tokio::spawn(async move {
                    let open = CountGuard::new(&app.counters.connections);
                    serve_connection(stream, &app, router).await;
                    drop((open, permit));
                });
            }
            // Too many open files, or a peer that has gone: to try at once would keep a core busy.
            Err(_) => tokio::time::sleep(STOP_INTERVAL).await,
        }
    }
    drop(listener);
    app.stop.send_replace(true);
    let all_closed = async {
        while app.counters.connections.load(Relaxed) > 0 {
            tokio::time::sleep(STOP_INTERVAL).await;
        }
    };
    let _ = tokio::time::timeout(STOP_TIMEOUT, all_closed).await;
}

/// Adds 1 to a count until it is dropped.
struct CountGuard<'a>(&'a AtomicU64);

impl<'a> CountGuard<'a> {
    /// Adds 1 to `count` until it is dropped.
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for CountGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Answers the requests of a connection.
async fn serve_connection(stream: TcpStream, app: &Arc<App>, router: Router) {
    let Ok(local) = stream.local_addr() else { return };
    // Small answers must not wait for a larger packet.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (app, router) = (Arc::clone(app), router.clone());
        async move { Ok::<_, Infallible>(answer(request, &app, router, local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream, WRITE_TIMEOUT)), service);
    let mut connection = pin!(connection);
    let mut stop: watch::Receiver<bool> = app.stop.subscribe();
    let is_done = tokio::select! {
        _ = connection.as_mut() => true,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !is_done {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Answers one request: the guard first, then the routes. Counts it and its time.
async fn answer(request: hyper::Request<Incoming>, app: &App, mut router: Router, local: SocketAddr) -> Response {
    let request: Request = request.map(Body::new);
    let checked = app.guard.check(request.method(), request.uri(), request.headers(), local);
    let mut response = match checked {
        Ok(None) => match router.call(request).await {
            Ok(response) => response,
            Err(infallible) => match infallible {},
        },
        Ok(Some(response)) => response,
        Err(error) => error.into_response(),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = response.headers().get(axum::http::header::ALLOW).cloned();
        response =
            RequestError::new(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method").into_response();
        response.headers_mut().extend(allowed.map(|allowed| (axum::http::header::ALLOW, allowed)));
    }
    add_headers(&mut response);
    let class = usize::from(response.status().as_u16() / 100);
    if let Some(count) = app.counters.responses.get(class) {
        count.fetch_add(1, Relaxed);
    }
    response
}

/// Returns the number of connections that the limit of open files allows, from 16 to [`MAX_CONNECTIONS`].
fn connection_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    files.map_or(MAX_CONNECTIONS, |files: usize| files.saturating_sub(OTHER_FILES).clamp(16, MAX_CONNECTIONS))
}

/// Returns 128 random bits of the system in hexadecimal.
fn new_token() -> Result<String, ServeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| ServeError::Random(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the address of the page for a browser, with the token if one is needed.
fn url(socket: SocketAddr, token: Option<&str>) -> String {
    let host = match socket.ip() {
        // A browser cannot open "every interface"; this is one that others can reach too, if there is one.
        ip if ip.is_unspecified() => outgoing_address(ip).unwrap_or(IpAddr::from([127, 0, 0, 1])),
        ip => ip,
    };
    let token = token.map(|token| format!("?token={token}")).unwrap_or_default();
    format!("http://{}/{token}", SocketAddr::new(host, socket.port()))
}

/// Returns the address of this machine on the network interface that leads to others. Nothing is sent.
fn outgoing_address(unspecified: IpAddr) -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((unspecified, 0)).ok()?;
    let documentation = if unspecified.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::1]:9" };
    socket.connect(documentation).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ones_that_a_browser_can_open() {
        assert_eq!(url("127.0.0.1:7860".parse().unwrap(), None), "http://127.0.0.1:7860/");
        assert_eq!(url("[::1]:80".parse().unwrap(), Some("ab")), "http://[::1]:80/?token=ab");
        let open = url("0.0.0.0:7860".parse().unwrap(), Some("ab"));
        assert!(open.ends_with(":7860/?token=ab") && !open.contains("0.0.0.0"), "{open}");
        assert_ne!(new_token().unwrap(), new_token().unwrap());
        assert!((16..=MAX_CONNECTIONS).contains(&connection_limit()));
    }
}
