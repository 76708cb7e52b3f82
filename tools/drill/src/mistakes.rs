//! Mistakes that somebody might make one day, each with the story that sees it. A story passes on the code
//! as it is and fails on the same code with its mistake; otherwise it shows nothing.

mod line;
mod outside;
mod stores;
mod units;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use ropeline::faults::Mistake;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::look::Look;
use crate::shop::{Shop, Ticket};
use crate::world::World;

/// How long a story waits for what takes a fraction of it.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// No story takes longer; one that hangs has seen something, too.
const STORY_WITHIN: Duration = Duration::from_secs(90);
/// Worlds side by side: stories mostly wait.
const WORLDS: usize = 4;

type Told<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What is told of a world, and fails when a promise was broken in it.
#[derive(Clone, Copy)]
struct Story {
    /// What it claims.
    claim: &'static str,
    mistake: Mistake,
    /// What the schema would catch by itself, taken away together with the code's own check.
    without: &'static str,
    tell: for<'a> fn(&'a mut World) -> Told<'a>,
}

macro_rules! stories {
    ($($mistake:ident: $module:ident::$story:ident $(without $sql:literal)?,)*) => {
        const STORIES: &[Story] = &[$(Story {
            claim: concat!(stringify!($module), "::", stringify!($story)),
            mistake: Mistake::$mistake,
            without: concat!($($sql)?),
            tell: |world| Box::pin($module::$story(world)),
        },)*];

        /// Fails to compile when a mistake has no story.
        fn _each_mistake_has_its_story(mistake: Mistake) {
            match mistake { $(Mistake::$mistake => {})* }
        }
    };
}

stories! {
    NoAudit: stores::a_missing_token_is_offered_again,
    NoCredit: stores::an_outage_is_credited,
    SeedIfMissing: stores::an_empty_redis_is_given_free_units_only,
    NoUnitCheck: units::a_unit_is_never_held_twice without "DROP INDEX holds_unit_owned_once",
    AdmitTwice: units::a_ticket_is_admitted_once
        without "ALTER TABLE holds DROP CONSTRAINT holds_ticket_once",
    PairInLua: units::a_stale_token_lets_nobody_overtake,
    ReturnBeforeFlip: units::a_token_comes_back_after_its_hold_ended,
    ExpireByTimer: units::a_sold_unit_is_never_offered,
    NoStateTest: units::an_ended_hold_buys_nothing
        without "ALTER TABLE holds DISABLE TRIGGER holds_guard",
    ExpireByClock: units::a_hold_buys_within_its_window,
    AckBeforeCommit: line::a_batch_that_was_not_recorded_is_shown_again,
    NoSlot: line::a_batch_that_was_popped_is_shown_again,
    SeqFromTime: line::places_are_counted,
    NoEpochFence: line::a_gateway_of_an_older_epoch_changes_nothing,
    NoLostCheck: line::a_redis_with_an_older_batch_is_noticed,
    NoEpochRaise: line::numbers_go_on_behind_a_loss,
    DropUnjournaled: line::a_place_behind_a_join_that_stands_still_never_rises,
    LeaveWithoutRow: line::whoever_left_without_a_number_is_not_admitted,
    TellBeforeCommit: outside::a_purchase_that_was_answered_exists,
    KeyNotScoped: outside::a_key_answers_for_its_own_hold,
    NoOriginCheck: outside::a_socket_of_another_page_is_refused,
    UnboundedWrites: outside::who_does_not_read_is_told_little,
}

/// Tells every story (or the one whose claim or mistake has `only` in it) without and with its mistake, and
/// prints a line for each. Fails unless each passes without and fails with it.
///
/// # Errors
/// When a mistake was not seen, or a promise does not hold without any.
pub async fn run(dir: &Path, program: PathBuf, only: Option<&str>) -> Result<()> {
    let wanted = |story: &&Story| {
        only.is_none_or(|only| story.claim.contains(only) || story.mistake.as_str() == only)
    };
    let queue: Vec<Story> = STORIES.iter().filter(wanted).copied().rev().collect();
    let (total, queue) = (queue.len(), RefCell::new(queue));
    println!("{:<20} {:<55} without  with it", "mistake", "seen by");
    let tellers = (1..=WORLDS.min(total)).map(async |number| {
        let dir = dir.join(format!("world-{number}"));
        let (mut world, mut seen) = (World::start(&dir, program.clone()).await?, 0);
        loop {
            let Some(story) = queue.borrow_mut().pop() else { break };
            seen += usize::from(judge(&mut world, story).await?);
        }
        world.gateways.clear();
        world.stores.stop().await?;
        Ok::<usize, anyhow::Error>(seen)
    });
    let seen: usize = try_join_all(tellers).await?.into_iter().sum();
    println!("{seen} of {total} mistakes seen");
    if seen == total { Ok(()) } else { bail!("{} mistakes were not seen", total - seen) }
}

/// Whether a story passes without its mistake and fails with it.
async fn judge(world: &mut World, story: Story) -> Result<bool> {
    let started = Instant::now();
    let (well, ill) =
        (told(world, story, None).await?, told(world, story, Some(story.mistake)).await?);
    println!(
        "{:<20} {:<55} {:<8} {} ({:.1} s)",
        story.mistake.as_str(),
        story.claim,
        if well.is_ok() { "passes" } else { "FAILS" },
        if ill.is_err() { "fails" } else { "PASSES" },
        started.elapsed().as_secs_f64()
    );
    if let Err(error) = &well {
        println!("    without the mistake: {error:#}");
    }
    match &ill {
        Err(error) => println!("    {error:#}"),
        Ok(()) => println!("    with the mistake it saw nothing"),
    }
    Ok(well.is_ok() && ill.is_err())
}

/// Tells a story in a fresh world. The outer error is one of the world, the inner one what the story saw.
async fn told(world: &mut World, story: Story, mistake: Option<Mistake>) -> Result<Result<()>> {
    world.renew(mistake).await?;
    if mistake.is_some() && !story.without.is_empty() {
        sqlx::query(sqlx::AssertSqlSafe(story.without)).execute(&world.sql().await?).await?;
    }
    world.add_gateway().await?;
    let seen = timeout(STORY_WITHIN, (story.tell)(world)).await;
    Ok(seen.unwrap_or_else(|_| bail!("it took longer than {STORY_WITHIN:?}")))
}

/// A sale that is open, and both stores behind it.
async fn sale(world: &World, units: u32, more: Value) -> Result<(Shop, String, Look)> {
    let shop = world.shop(0);
    let sale = shop.open_sale(units, &more).await?;
    let look = Look::at(world, &sale).await?;
    Ok((shop, sale, look))
}

/// A shopper who joins, whatever it takes.
///
/// # Errors
/// When nobody can.
pub async fn joins(shop: &Shop, sale: &str) -> Result<Ticket> {
    let (key, deadline) = (Uuid::now_v7().to_string(), Instant::now() + PATIENCE);
    loop {
        let answer = shop.join(sale, &key).await;
        if let Ok(answer) = &answer
            && answer.status < 300
            && let Some(ticket) = Ticket::of(&answer.body)
        {
            return Ok(ticket);
        }
        if Instant::now() > deadline {
            bail!("nobody can join: {answer:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the shopper is admitted; the hold's id.
///
/// # Errors
/// When that is not in time.
pub async fn admitted(shop: &Shop, ticket: &Ticket) -> Result<String> {
    let state = shop.becomes(ticket, &["admitted"], PATIENCE).await?;
    Ok(crate::look::text(&state, "/hold/id").to_owned())
}

/// `pause`, `resume` or `close`.
///
/// # Errors
/// When it is refused or not answered in time.
pub async fn steer(shop: &Shop, sale: &str, action: &str) -> Result<Value> {
    shop.operate(&format!("/sales/{sale}/{action}"), &json!({}), PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_a_row_for_each_mistake_with_what_sees_it() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md");
        let text = std::fs::read_to_string(file).unwrap();
        for story in STORIES {
            let row = text
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` |", story.mistake.as_str())));
            let row = row.unwrap_or_else(|| panic!("no row for {}", story.mistake.as_str()));
            assert!(row.ends_with(&format!("| `{}` |", story.claim)), "{row}");
        }
        let rows =
            text.lines().filter(|line| line.starts_with("| `") && line.contains("::")).count();
        assert_eq!(rows, STORIES.len(), "rows of mistakes that are not there any more");
    }
}
