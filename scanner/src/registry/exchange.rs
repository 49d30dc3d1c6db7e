//! One request, through redirects, to an answer.

use std::time::Duration;

use chrono::DateTime;
use reqwest::{
    Method, Response, StatusCode,
    header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
};
use url::Url;

use super::{
    Connection, RegistryError,
    address::{check_literal, check_proxied},
};
use crate::limits::{MAX_REDIRECTS, MAX_RETRY_AFTER};

impl Connection {
    /// Requests `url` with the authorization, which goes to `url`'s own origin only, whatever the redirects.
    pub(super) async fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut next = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.http.request(method.clone(), next.clone()).headers(headers.clone());
            if let Some(authorization) = authorization.filter(|_| next.origin() == url.origin()) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = self.send(&next, request).await?;
            let Some(location) = redirection(&response) else { return Ok(response) };
            next = next
                .join(location)
                .map_err(|_| not_a_registry(&next, "it redirects to what is no address".into()))?;
        }
        Err(not_a_registry(url, format!("it redirects more than {MAX_REDIRECTS} times")))
    }

    /// Sends a request to `url` after its scheme and host were checked; the answer's headers must come in time.
    pub(super) async fn send(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, RegistryError> {
        self.check(url)?;
        if self.access.proxy.is_some() {
            check_proxied(url, self.access.allow_private_addresses).await?;
        }
        let host = host(url);
        match tokio::time::timeout(self.pace.answer, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(RegistryError::of_exchange(&host, &error)),
            Err(_) => Err(RegistryError::TimedOut {
                host,
                why: format!("no answer in {} s", self.pace.answer.as_secs()),
            }),
        }
    }

    fn check(&self, url: &Url) -> Result<(), RegistryError> {
        let is_allowed = match url.scheme() {
            "https" => true,
            "http" => self.access.insecure,
            _ => false,
        };
        if !is_allowed || url.host_str().is_none() {
            let why = format!("it leads to {}: only https is followed", url.scheme());
            return Err(not_a_registry(url, why));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not_a_registry(url, "it leads to an address with a user and password".into()));
        }
        check_literal(url, self.access.allow_private_addresses)
    }
}

fn redirection(response: &Response) -> Option<&str> {
    let is_redirection = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    response.headers().get(LOCATION).filter(|_| is_redirection)?.to_str().ok()
}

/// Host and port, as people write them.
pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("(no host)");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

fn not_a_registry(url: &Url, why: String) -> RegistryError {
    RegistryError::NotARegistry { host: host(url), why }
}

/// The error that a status stands for; `None` for success. `what` was asked for.
pub(super) fn refusal(response: &Response, host: &str, what: &str) -> Option<RegistryError> {
    let (host, what) = (host.to_owned(), what.to_owned());
    let retry_after_seconds = || retry_after(response.headers());
    Some(match response.status().as_u16() {
        200..=299 => return None,
        401 => RegistryError::Unauthorized { host, what },
        403 => RegistryError::Forbidden { host, what },
        404 => RegistryError::NotFound { host, what },
        429 => RegistryError::RateLimited { host, retry_after_seconds: retry_after_seconds() },
        status @ 500..=599 => {
            RegistryError::RegistryUnavailable { host, status, retry_after_seconds: retry_after_seconds() }
        }
        status => RegistryError::NotARegistry { host, why: format!("it answers HTTP {status} for {what}") },
    })
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). A date counts from the answer's own `Date`: clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<u32> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    let seconds = if asked.is_empty() {
        return None;
    } else if asked.bytes().all(|byte| byte.is_ascii_digit()) {
        asked.parse().unwrap_or(u32::MAX)
    } else {
        let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
        let wait = date(asked)?.signed_duration_since(date(text(DATE)?)?);
        u32::try_from(wait.num_seconds().max(0)).unwrap_or(u32::MAX)
    };
    Some(seconds.min(MAX_RETRY_AFTER))
}

/// How long to wait before attempt `attempt` (from 1), by the registry's own word if it gave one. `None`: longer than we wait.
pub(super) fn pause(attempt: u32, error: &RegistryError) -> Option<Duration> {
    use crate::limits::{FIRST_PAUSE, MAX_PAUSE};
    let asked = error.retry_after_seconds().map(|seconds| Duration::from_secs(seconds.into()));
    let own = FIRST_PAUSE.saturating_mul(3_u32.saturating_pow(attempt.saturating_sub(1)));
    Some(asked.unwrap_or(own)).filter(|pause| *pause <= MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_all_its_forms() {
        const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (asked, date, expected) in [
            ("0", NOW, Some(0)),
            (" 120 ", NOW, Some(120)),
            ("999999999999999999999999", NOW, Some(MAX_RETRY_AFTER)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", NOW, Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", NOW, Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", NOW, Some(MAX_RETRY_AFTER)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", "yesterday", None),
            ("-5", NOW, None),
            ("1e9", NOW, None),
            ("soon", NOW, None),
            ("", NOW, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(asked).unwrap());
            headers.insert(DATE, HeaderValue::from_static(date));
            assert_eq!(retry_after(&headers), expected, "{asked}");
        }
    }
}
