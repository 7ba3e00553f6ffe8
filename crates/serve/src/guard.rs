//! Decides which requests are answered, and adds the security headers to every answer.
//!
//! A browser that visits another site can be made to send requests to this service, by the address of the loopback
//! interface or by a name that suddenly means this machine (DNS rebinding). So the `Host` of a request must be one of
//! an exact list, nothing is shared with other origins, and a request that carries a body must come from the page
//! itself. Off the loopback interface a secret token is needed as well.

use crate::error::RequestError;
use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};

/// The name of the cookie that holds the token.
const COOKIE: &str = "dcgan_token";
/// Number of days that a browser keeps the cookie.
const COOKIE_DAYS: u32 = 30;

/// Headers of every response.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// The rules for requests.
#[derive(Debug)]
pub(crate) struct Guard {
    port: u16,
    /// Accepted values of `Host` beside the address that a connection was made to.
    names: Vec<String>,
    token: Option<String>,
}

impl Guard {
    /// Rules for a service on `address`. `names` are further values of `Host`, with or without a port.
    pub(crate) fn new(address: SocketAddr, names: &[String], token: Option<String>) -> Self {
        let mut names: Vec<String> = names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            names.push("localhost".to_owned());
        }
        Self { port: address.port(), names, token }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Checks a request. Returns the answer if the request brings the token in its address, and `None` if the routes
    /// should answer it.
    ///
    /// # Errors
    /// 403 for a wrong `Host` or another origin, 401 without the token.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        local: SocketAddr,
    ) -> Result<Option<Response>, RequestError> {
        self.check_host(headers, local)?;
        check_origin(method, headers)?;
        let Some(token) = &self.token else { return Ok(None) };
        if uri.path() == "/healthz" {
            return Ok(None);
        }
        let in_address = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
        if let Some(given) = in_address
            && uri.path() == "/"
            && is_same(given, token)
        {
            return Ok(Some(remember(token)));
        }
        let in_header = only(headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut in_cookies =
            cookies.flat_map(|cookies| cookies.split("; ")).filter_map(|cookie| cookie.split_once('='));
        let is_known = in_header.is_some_and(|given| is_same(given, token))
            || in_cookies.any(|(name, given)| name == COOKIE && is_same(given, token));
        if is_known {
            return Ok(None);
        }
        Err(RequestError::new(
            StatusCode::UNAUTHORIZED,
            "this service needs its token: open the address that dcgan serve printed, or send the token as \
             Authorization: Bearer",
        ))
    }

    /// Checks that `Host` names this service: the address that the connection came to, `localhost` or an allowed host.
    /// It protects against DNS rebinding, where a page of another site reaches the service under its own name.
    fn check_host(&self, headers: &HeaderMap, local: SocketAddr) -> Result<(), RequestError> {
        let refused = |what: &str| {
            let message = format!("{what}: this service answers to its own address alone; see --allow-host");
            RequestError::new(StatusCode::FORBIDDEN, message)
        };
        let host = only(headers, header::HOST).ok_or_else(|| refused("the request has no single Host"))?;
        let host = host.to_ascii_lowercase();
        let with_port = |name: &str| match self.port {
            80 => vec![name.to_owned(), format!("{name}:80")],
            port => vec![format!("{name}:{port}")],
        };
        let address = match local.ip().to_canonical() {
            IpAddr::V6(ip) => format!("[{ip}]"),
            IpAddr::V4(ip) => ip.to_string(),
        };
        let is_address = with_port(&address).contains(&host);
        // Names that were allowed may be those of a proxy, which has a port of its own.
        let is_name = self.names.iter().any(|name| match name.as_str() {
            "localhost" => local.ip().to_canonical().is_loopback() && with_port(name).contains(&host),
            name => host == *name || with_port(name).contains(&host),
        });
        let shown: String = host.chars().take(100).collect();
        if is_address || is_name { Ok(()) } else { Err(refused(&format!("Host {shown:?}"))) }
    }
}

/// Refuses a request with a body that another site has caused. Browsers say with every such request where it comes
/// from; other programs do not.
fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), RequestError> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let refused = || RequestError::new(StatusCode::FORBIDDEN, "this request comes from another site");
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(refused());
    }
    if headers.contains_key(header::ORIGIN) {
        let (origin, host) = (only(headers, header::ORIGIN), only(headers, header::HOST));
        let of_origin = origin.and_then(|origin| origin.strip_prefix("http://").or(origin.strip_prefix("https://")));
        if of_origin.is_none() || of_origin != host {
            return Err(refused());
        }
    }
    Ok(())
}

/// Returns the value of a header; `None` if there is not exactly one.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Compares two texts in a time that does not depend on where they differ.
fn is_same(given: &str, token: &str) -> bool {
    let difference = given.bytes().zip(token.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b));
    given.len() == token.len() && std::hint::black_box(difference) == 0
}

/// Returns an answer that stores the token as a cookie in the browser and then loads the page. A redirect does not
/// work: when the request comes from another site, the browser does not send a `SameSite=Strict` cookie after it.
fn remember(token: &str) -> Response {
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>dcgan</title>\
                <meta http-equiv=\"refresh\" content=\"0;url=/\"><p><a href=\"/\">dcgan</a></p></html>";
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let seconds = COOKIE_DAYS * 24 * 3600;
    let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}");
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => headers.insert(header::SET_COOKIE, cookie),
        Err(_) => return RequestError::internal("the token cannot be stored").into_response(),
    };
    response
}

/// Adds the headers that every response has.
pub(crate) fn add_headers(response: &mut Response) {
    for (name, value) in &HEADERS {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:7860";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn status(guard: &Guard, method: Method, uri: &str, pairs: &[(&'static str, &str)], local: &str) -> u16 {
        let uri: Uri = uri.parse().unwrap();
        match guard.check(&method, &uri, &headers(pairs), local.parse().unwrap()) {
            Ok(None) => 200,
            Ok(Some(response)) => {
                assert!(response.headers()[header::SET_COOKIE].to_str().unwrap().contains("SameSite=Strict"));
                201
            }
            Err(error) => error.status().as_u16(),
        }
    }

    #[test]
    fn the_host_is_one_of_an_exact_list() {
        let guard = Guard::new(LOCAL.parse().unwrap(), &["Faces.example.org".to_owned()], None);
        let get = |host: &str| status(&guard, Method::GET, "/", &[("host", host)], LOCAL);
        for host in
            ["127.0.0.1:7860", "localhost:7860", "LOCALHOST:7860", "faces.example.org", "faces.example.org:7860"]
        {
            assert_eq!(get(host), 200, "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:7861",
            "127.0.0.2:7860",
            "evil.example",
            "evil.example:7860",
            "localhost:7860.evil.example",
            "xlocalhost:7860",
            "faces.example.org:1",
            "faces.example.org.",
            "[::1]:7860",
            "127.0.0.1:7860@evil.example",
            "0.0.0.0:7860",
            "2130706433:7860",
        ] {
            assert_eq!(get(host), 403, "{host}");
        }
        assert_eq!(status(&guard, Method::GET, "/", &[], LOCAL), 403);
        let two = [("host", "localhost:7860"), ("host", "localhost:7860")];
        assert_eq!(status(&guard, Method::GET, "/", &two, LOCAL), 403);
        let open = Guard::new("0.0.0.0:7860".parse().unwrap(), &[], None);
        let get = |host: &str| status(&open, Method::GET, "/", &[("host", host)], "192.168.1.5:7860");
        assert_eq!((get("192.168.1.5:7860"), get("192.168.1.6:7860"), get("localhost:7860")), (200, 403, 403));
        let six = Guard::new("[::1]:7860".parse().unwrap(), &[], None);
        assert_eq!(status(&six, Method::GET, "/", &[("host", "[::1]:7860")], "[::1]:7860"), 200);
    }

    #[test]
    fn a_body_comes_from_the_page_itself() {
        let guard = Guard::new(LOCAL.parse().unwrap(), &[], None);
        let post = |pairs: &[(&'static str, &str)]| {
            let pairs: Vec<_> = [("host", LOCAL)].iter().chain(pairs).copied().collect();
            status(&guard, Method::POST, "/api/models/a/draw", &pairs, LOCAL)
        };
        assert_eq!(post(&[]), 200, "programs send no origin");
        assert_eq!(post(&[("origin", "http://127.0.0.1:7860"), ("sec-fetch-site", "same-origin")]), 200);
        for origin in
            ["http://evil.example", "null", "http://localhost:7860", "http://127.0.0.1:80", "127.0.0.1:7860", ""]
        {
            assert_eq!(post(&[("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), 403);
    }

    #[test]
    fn off_the_loopback_interface_the_token_is_needed() {
        let guard = Guard::new("0.0.0.0:7860".parse().unwrap(), &[], Some("s3cret".to_owned()));
        let get = |uri: &str, pairs: &[(&'static str, &str)]| {
            let pairs: Vec<_> = [("host", "10.0.0.1:7860")].iter().chain(pairs).copied().collect();
            status(&guard, Method::GET, uri, &pairs, "10.0.0.1:7860")
        };
        assert_eq!(get("/", &[]), 401);
        assert_eq!(get("/healthz", &[]), 200);
        assert_eq!(get("/?token=s3cret", &[]), 201);
        assert_eq!(get("/api/runs?token=s3cret", &[]), 401, "only the page takes it from the address");
        for wrong in ["/?token=", "/?token=s3cre", "/?token=s3crets", "/?tokens=s3cret"] {
            assert_eq!(get(wrong, &[]), 401, "{wrong}");
        }
        assert_eq!(get("/api/runs", &[("cookie", "other=1; dcgan_token=s3cret")]), 200);
        assert_eq!(get("/api/runs", &[("cookie", "dcgan_token=s3cre")]), 401);
        assert_eq!(get("/api/runs", &[("authorization", "Bearer s3cret")]), 200);
        assert_eq!(get("/api/runs", &[("authorization", "Basic s3cret")]), 401);
    }
}
