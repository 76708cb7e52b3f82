//! One shopper for an operator: found by what is known, and told whole.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::engine::line::ticket_state::TicketState;
use crate::engine::reports::ticket_search;
use crate::engine::reports::ticket_search::{Fate, Story};
use crate::model::Ticket;
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::responses::{HoldShape, PaymentShape, TicketShape};

/// What is known of a shopper.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KnownQuery {
    /// A ticket's id or number, the id of a hold or of an order, or a payment reference
    q: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FoundTickets)]
pub struct FoundShape {
    /// Ids of tickets, at most 50
    pub tickets: Vec<String>,
}

/// All that is known of one ticket.
#[derive(Serialize, ToSchema)]
#[schema(as = TicketStory)]
pub struct StoryShape {
    pub ticket: String,
    pub number: i64,
    pub joined_at: Timestamp,
    /// `waiting`, `admitted`, `left` or `removed`
    #[schema(pattern = "^(waiting|admitted|left|removed)$")]
    pub fate: &'static str,
    /// When it was admitted, left or was removed
    pub ended_at: Option<Timestamp>,
    /// With its order, once it was bought
    pub hold: Option<HoldShape>,
    /// Payment references that came for the hold besides the order's own, oldest first
    pub payments: Vec<PaymentShape>,
    /// What the shopper is shown now
    pub shows: TicketShape,
}

impl StoryShape {
    pub fn new(app: &App, story: &Story, shown: &TicketState) -> Self {
        Self {
            ticket: story.ticket.to_string(),
            number: story.seq.0,
            joined_at: story.joined_at,
            fate: match story.fate {
                Fate::Waiting => "waiting",
                Fate::Admitted => "admitted",
                Fate::Left => "left",
                Fate::Removed => "removed",
            },
            ended_at: story.ended_at,
            hold: story.hold.as_ref().map(|hold| HoldShape::new(hold, app.gate.clock.now())),
            payments: story.payments.iter().map(PaymentShape::from).collect(),
            shows: TicketShape::new(app, shown),
        }
    }
}

/// Find a shopper
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/tickets", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), KnownQuery),
    responses((status = 200, body = FoundShape), (status = 404, body = ProblemShape)))]
pub async fn find_tickets(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(query): Query<KnownQuery>,
) -> Result<Json<FoundShape>, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let found = ticket_search::find(&app.gate, sale.id, query.q.trim()).await?;
    Ok(Json(FoundShape { tickets: found.iter().map(Ticket::to_string).collect() }))
}

/// One ticket's whole story
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/tickets/{ticket}", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), ("ticket" = String, Path)),
    responses((status = 200, body = StoryShape), (status = 404, body = ProblemShape)))]
pub async fn story(
    State(app): State<App>,
    _: Operator<Look>,
    Path((sale, ticket)): Path<(String, String)>,
) -> Result<Json<StoryShape>, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let ticket: Ticket = ticket.parse().map_err(|_| Problem::not_found("ticket"))?;
    let (story, shown) = ticket_search::story(&app.gate, sale.id, ticket).await?;
    Ok(Json(StoryShape::new(&app, &story, &shown)))
}
