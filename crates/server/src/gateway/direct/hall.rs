//! From the direct door into the room: `/grants/NAME/…` and nothing else.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::gateway::{
    door::{self, Visitor},
    reply::{self, Body},
    room::Room,
    route,
};

/// Leads to the room that is behind every door.
pub(super) struct Hall(pub(super) Arc<Room>);

impl door::Room for Hall {
    async fn answer(&self, visitor: Visitor, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match route::read_direct(parts.uri.path()) {
            Some((grant, path)) => self.0.forwarder.answer(&visitor, grant, path, &parts, body).await,
            None => reply::status(StatusCode::NOT_FOUND, None, "only grants are served here: /grants/NAME/…"),
        }
    }

    fn is_ready(&self) -> bool {
        door::Room::is_ready(&self.0)
    }
}
