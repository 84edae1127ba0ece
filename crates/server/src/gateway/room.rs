//! The room behind every door: from a path to who answers it.

use std::sync::Arc;

use brevet_core::reason::{Reason, Refusal};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{
    discovery,
    door::{self, Visitor},
    evaluate::Evaluator,
    forward::Forwarder,
    reply::{self, Body, Manner},
    route::{self, Route},
    table::Table,
    views::Views,
};

/// Everything that answers.
pub(super) struct Room {
    pub(super) table: Arc<Table>,
    pub(super) views: Arc<Views>,
    pub(super) evaluator: Evaluator,
    pub(super) forwarder: Forwarder,
}

impl door::Room for Arc<Room> {
    async fn answer(&self, visitor: Visitor, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (method, headers) = (&parts.method, &parts.headers);
        let query = parts.uri.query().unwrap_or_default();
        let route = route::read(parts.uri.path());
        match route {
            Route::Groups => return discovery::groups(headers),
            Route::Group => return discovery::group(),
            Route::Resources => return discovery::resources(),
            Route::OpenApi => return discovery::openapi(),
            Route::OpenApiDocument => return discovery::openapi_document(),
            Route::Nothing => return nothing(),
            Route::Proxy(grant, path) => {
                // Whatever the answer, it is told with the grant: the forwarder asks the table itself.
                return self.forwarder.answer(&visitor, grant, path, &parts, body).await;
            }
            Route::Collection(_) | Route::Object(..) | Route::Evaluations | Route::Token(_) => {}
        }
        let is_view = matches!(route, Route::Collection(_) | Route::Object(..));
        // What is open can be looked at, released and revoked also while nothing is given.
        let leave = if is_view { self.table.check_contact() } else { self.table.check_working() };
        if let Err(refusal) = leave {
            return reply::refusal(&refusal, Manner::Object);
        }
        let warning = self.table.warning();
        match route {
            Route::Collection(view) => {
                reply::warned(self.views.collection(visitor, view, method, headers, query).await, warning)
            }
            Route::Object(view, name) => {
                reply::warned(self.views.object(&visitor, view, name, method, headers, query).await, warning)
            }
            Route::Evaluations if method == Method::POST => self.evaluator.answer(&visitor, body).await,
            Route::Token(_) if method == Method::POST => reply::refusal(&no_token(), Manner::Object),
            Route::Evaluations | Route::Token(_) => {
                let message = "only a creation (POST) is served here";
                reply::status(StatusCode::METHOD_NOT_ALLOWED, Some(Reason::NotServed), message)
            }
            _ => nothing(),
        }
    }

    fn is_ready(&self) -> bool {
        self.table.check_contact().is_ok()
    }
}

fn no_token() -> Refusal {
    let message = "tokens are not handed out yet; use the grant through the gateway: `kubectl brevet use`";
    Refusal::new(Reason::DeliveryUnavailable, "", message)
}

fn nothing() -> Response<Body> {
    reply::status(StatusCode::NOT_FOUND, None, "the server could not find the requested resource")
}
