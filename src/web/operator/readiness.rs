//! Whether a sale is ready to open, for the console and for programs.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::steering::readiness;
use crate::model::settings::readiness::{Item, is_ready};
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape};

#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub struct ReadinessShape {
    /// Every item is ok
    pub ready: bool,
    /// All six, always in this order
    pub items: Vec<ReadinessItemShape>,
}

/// One part of a sale's set-up.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessItem)]
pub struct ReadinessItemShape {
    #[schema(pattern = "^(address|units|start|end|window|public_url)$")]
    pub name: &'static str,
    pub ok: bool,
    /// How it is, and what to do where it is not ok
    pub detail: String,
}

impl From<Vec<Item>> for ReadinessShape {
    fn from(items: Vec<Item>) -> Self {
        let ready = is_ready(&items);
        let shape = |Item { name, ok, detail }| ReadinessItemShape { name, ok, detail };
        Self { ready, items: items.into_iter().map(shape).collect() }
    }
}

/// Whether a sale is ready to open
///
/// Looks at the checkout address, the units, the start, the end, the checkout window and the gateway's public URL.
/// It only tells: `POST …/open` opens a sale that is not ready.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/readiness", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, body = ReadinessShape), (status = 404, body = ProblemShape)))]
pub async fn readiness(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Json<ReadinessShape>, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let items = readiness::readiness(&app.gate, sale.id, app.public_origin.as_deref()).await?;
    Ok(Json(items.into()))
}
