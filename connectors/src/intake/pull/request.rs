//! One request and its whole answer.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Response, StatusCode, Url};

use super::{PullConfig, PullError};

/// What a provider marks its answers with, to be asked whether they still hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// A good answer.
pub(super) enum Answer {
    /// The same as before, or nothing at all.
    Unchanged,
    /// A whole body.
    New { bytes: Bytes, marks: Option<Marks> },
}

/// A bad one, or none.
pub(super) enum Asked {
    /// The provider wants no such request: asking again brings nothing.
    Refused(String),
    /// It may work later.
    Failed {
        why: String,
        /// What the provider asks for.
        stay_away: Option<Duration>,
    },
}

pub(super) struct Requester {
    client: reqwest::Client,
    headers: HeaderMap,
    shown: String,
    bytes_max: usize,
}

impl Requester {
    pub(super) fn new(config: &PullConfig) -> Result<Self, PullError> {
        let bad_url = |why: String| PullError::BadUrl {
            url: config.url.clone(),
            why,
        };
        let url = Url::parse(&config.url).map_err(|e| bad_url(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad_url("it must begin with http:// or https://".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad_url(
                "leave out the password, which would be logged: put it into the environment variable that token_env names"
                    .into(),
            ));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
        // Unpacked where all feeds are.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if config.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &config.headers {
            let bad = || PullError::BadHeader(name.clone());
            let name = HeaderName::try_from(name).map_err(|_| bad())?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|_| bad())?);
        }
        if let Some(token) = &config.token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| PullError::BadHeader("authorization".into()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("flightline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.timeout.min(Duration::from_secs(10)))
            .timeout(config.timeout)
            // The token is not for wherever an answer points to.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(PullError::Client)?;
        Ok(Self {
            client,
            headers,
            shown: config.url.clone(),
            bytes_max: config.bytes_max,
        })
    }

    /// The address, for people.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) async fn ask(
        &self,
        url: &str,
        body: Option<&str>,
        marks: Option<&Marks>,
    ) -> Result<Answer, Asked> {
        let mut request = match body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).body(body.to_owned()),
        };
        request = request.headers(self.headers.clone());
        if let (None, Some(marks)) = (body, marks) {
            if let Some(etag) = &marks.etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            if let Some(modified) = &marks.modified {
                request = request.header(IF_MODIFIED_SINCE, modified);
            }
        }
        let response = request.send().await.map_err(|e| failed(&e))?;
        let status = response.status();
        if matches!(status, StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT) {
            return Ok(Answer::Unchanged);
        }
        if status.is_success() {
            let marks = marks_of(response.headers());
            let bytes = self.whole(response).await?;
            return Ok(Answer::New { bytes, marks });
        }
        Err(judge(status, &response))
    }

    async fn whole(&self, mut response: Response) -> Result<Bytes, Asked> {
        let too_long = || {
            Asked::Refused(format!(
                "the answer is longer than {} bytes: ask for less at a time",
                self.bytes_max
            ))
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > self.bytes_max as u64 {
            return Err(too_long());
        }
        let mut all = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(part) = response.chunk().await.map_err(|e| failed(&e))? {
            if all.len() + part.len() > self.bytes_max {
                return Err(too_long());
            }
            all.extend_from_slice(&part);
        }
        Ok(all.into())
    }
}

fn marks_of(headers: &HeaderMap) -> Option<Marks> {
    let marks = Marks {
        etag: headers.get(ETAG).cloned(),
        modified: headers.get(LAST_MODIFIED).cloned(),
    };
    (marks.etag.is_some() || marks.modified.is_some()).then_some(marks)
}

fn failed(error: &reqwest::Error) -> Asked {
    let why = if error.is_timeout() {
        "there was no whole answer in time".to_owned()
    } else if error.is_connect() {
        format!("it cannot be reached: {}", innermost(error))
    } else {
        format!("the answer broke off: {}", innermost(error))
    };
    Asked::Failed {
        why,
        stay_away: None,
    }
}

/// The cause that says most.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn judge(status: StatusCode, response: &Response) -> Asked {
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
        );
    let why = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("it answers {status}: look at the token in the variable that token_env names")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            format!("it answers {status}: lower rate_per_s or raise every_s")
        }
        _ if status.is_redirection() => {
            format!("it answers {status}: write the address that it points to")
        }
        _ => format!("it answers {status}"),
    };
    if again {
        let stay_away = response.headers().get(RETRY_AFTER).and_then(pause);
        Asked::Failed { why, stay_away }
    } else {
        Asked::Refused(why)
    }
}

/// What `Retry-After` asks for: seconds, or a time.
fn pause(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at: DateTime<Utc> = DateTime::parse_from_rfc2822(text).ok()?.into();
    SystemTime::from(at).duration_since(SystemTime::now()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let read = |text| pause(&HeaderValue::from_static(text));
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        let century = read("Wed, 01 Jan 2110 00:00:00 GMT");
        assert!(century > Some(Duration::from_secs(365 * 24 * 3_600)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(read("soon"), None);
    }
}
