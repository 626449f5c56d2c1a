//! Views in SQL: how they stand, and how they come and go while a replica runs.

use bytes::Buf;
use futures_util::Stream;
use warp::reply::Response;

use crate::backend::{ViewChange, ViewFault, ViewLine};
use crate::http::access::Need;
use crate::http::body::{check_not_encoded, read_bounded};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::wire::view::{FilesAnswer, ViewAnswer, ViewsAnswer};

/// The largest file of a view.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The views in SQL that this replica runs
#[utoipa::path(
    get,
    path = "/dataflows",
    tag = "operations",
    responses((status = 200, description = "All of them, with how they stand", body = ViewsAnswer<'_>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Operate)?;
    Query::parse(request.uri.query(), &[])?;
    let lines = request.app.backend.views().map_err(refused)?;
    let views = lines.iter().map(ViewAnswer::of).collect();
    let folder = request.app.backend.view_folder().unwrap_or_default();
    let shared = request.app.backend.views_shared().unwrap_or_default();
    let answer = ViewsAnswer {
        views,
        shared: shared.into(),
        files: FilesAnswer::of(&folder),
    };
    Ok(reply::json(200, &answer))
}

/// Add or replace a view in SQL
///
/// The body is the view's file. The answer comes when the view is live: that takes as long as reading the rows that
/// there are. Bookings go on meanwhile. What is refused leaves nothing behind.
#[utoipa::path(
    put,
    path = "/dataflows/{name}",
    tag = "operations",
    params(
        ("name" = String, Path, description = "The view's name, as in the file"),
        ("replace" = Option<bool>, Query, description = "`true`: take the place of the view of that name"),
    ),
    request_body(content = String, content_type = "application/yaml", description = "The file: see docs/views.md"),
    responses((status = 200, description = "The view, live", body = ViewAnswer<'_>))
)]
pub(crate) async fn put<S, B>(
    request: &Request,
    name: &str,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    request.caller(Need::Operate)?;
    let query = Query::parse(request.uri.query(), &["replace"])?;
    let replaces = query.optional::<bool>("replace")?.unwrap_or(false);
    check_not_encoded(&request.headers)?;
    let timeout_ms = request.app.config.body_timeout_ms;
    let body = read_bounded(body, &request.headers, timeout_ms, FILE_BYTES_MAX).await?;
    let text = String::from_utf8(body.to_vec())
        .map_err(|_| ApiError::new(&faults::INVALID_VIEW, "the file is not UTF-8 text"))?;
    let name = name.to_owned();
    let change = match replaces {
        true => ViewChange::Replace { name, text },
        false => ViewChange::Add { name, text },
    };
    answer(request, change).await
}

/// Remove a view in SQL, with its table
#[utoipa::path(
    delete,
    path = "/dataflows/{name}",
    tag = "operations",
    params(("name" = String, Path, description = "The view's name")),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn delete(request: &Request, name: &str) -> Result<Response, ApiError> {
    request.caller(Need::Operate)?;
    Query::parse(request.uri.query(), &[])?;
    let name = name.to_owned();
    answer(request, ViewChange::Remove { name }).await
}

/// It is done to its end, whether or not somebody still waits for the answer.
async fn answer(request: &Request, change: ViewChange) -> Result<Response, ApiError> {
    let app = std::sync::Arc::clone(&request.app);
    let done = tokio::task::spawn_blocking(move || app.backend.change_view(change)).await;
    let line: Option<ViewLine> = match done {
        Ok(done) => done.map_err(refused)?,
        Err(failed) => match failed.try_into_panic() {
            // Caught and logged like that of any other handler.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(ApiError::internal()),
        },
    };
    Ok(match line {
        Some(line) => reply::json(200, &ViewAnswer::of(&line)),
        None => reply::empty(204),
    })
}

fn refused(fault: ViewFault) -> ApiError {
    match fault {
        ViewFault::Off(why) | ViewFault::Unknown(why) => ApiError::new(&faults::NOT_FOUND, why),
        ViewFault::Problems(why) => ApiError::new(&faults::INVALID_VIEW, why),
        ViewFault::Conflict(why) => ApiError::new(&faults::VIEW_CONFLICT, why),
        ViewFault::Failed(why) => ApiError::new(&faults::VIEW_FAILED, why),
        ViewFault::Unavailable(why) => ApiError::new(&faults::UNAVAILABLE, why),
    }
}
