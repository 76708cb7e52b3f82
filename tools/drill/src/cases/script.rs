//! The sale of every case: small, and it goes through every step. Three units and six shoppers to begin
//! with, then more of both, until everything is sold; then two units more, and the end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::book::Book;
use super::doors::{Call, Doors};
use super::scene::Scene;
use super::shopper::{Shopper, Wish, code};
use crate::gateway::ADMIN_KEY;
use crate::world::World;

/// For what goes before the fault: nothing is broken yet.
const BEFORE: Duration = Duration::from_secs(20);
/// For everything after it: an outage, the time-outs that it costs, and a checkout window.
const AFTER: Duration = Duration::from_secs(40);
/// Between two looks whether the books balance.
const LOOK: Duration = Duration::from_millis(50);
/// Long enough that nobody who comes back loses a hold.
const WINDOW_SECONDS: u32 = 10;

/// Who takes part, and what each wants.
type Cast = &'static [(&'static str, Wish)];

/// How many take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Usual,
    /// As few as it takes to go through every step, for what is played hundreds of times.
    Small,
}

impl Size {
    /// Units seeded at first; one of them is taken out again.
    fn units(self) -> i64 {
        match self {
            Self::Usual => 4,
            Self::Small => 3,
        }
    }

    /// Units seeded later.
    fn more(self) -> i64 {
        match self {
            Self::Usual => 2,
            Self::Small => 1,
        }
    }

    /// Who has a unit before the fault besides anna, and who waits.
    fn early(self) -> (Cast, Cast) {
        match self {
            Self::Usual => (
                &[("bert", Wish::Buy), ("cleo", Wish::Release)],
                &[("dora", Wish::Buy), ("emil", Wish::Leave), ("fred", Wish::Buy)],
            ),
            Self::Small => (&[("bert", Wish::Buy)], &[("dora", Wish::Buy), ("emil", Wish::Leave)]),
        }
    }

    /// Who comes after the fault: at least as many buyers in all as there are units.
    fn late(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &["gina", "hugo", "ida", "jane"],
            Self::Small => &["gina"],
        }
    }
}

pub struct Play {
    pub sale: String,
    pub doors: Arc<Doors>,
    pub book: Arc<Book>,
    size: Size,
    sql: PgPool,
    redis: redis::Client,
    shoppers: Vec<(Shopper, Wish)>,
    /// What runs besides.
    tasks: JoinSet<Result<()>>,
    /// The units that were to be added are.
    is_seeded: bool,
    /// The sleeper's window is over.
    is_lapsed: bool,
    is_paused: bool,
    /// A ticket was taken out of line by hand.
    is_torn: bool,
    /// When a gateway that stalls is awake again: the books are balanced after that.
    pub awake_at: Option<Instant>,
    /// Everything was sold, and some more was offered.
    is_played: bool,
    pub is_closed: bool,
}

impl Play {
    /// Makes the sale at the first door and brings it to where three have a unit and three wait.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn begin(world: &World, doors: Arc<Doors>, size: Size) -> Result<Self> {
        doors.patience(BEFORE);
        let mut play = Self {
            sale: String::new(),
            doors,
            book: Arc::default(),
            size,
            sql: world.sql().await?,
            redis: redis::Client::open(world.stores.redis_url())?,
            shoppers: Vec::new(),
            tasks: JoinSet::new(),
            is_seeded: false,
            is_lapsed: false,
            is_paused: false,
            is_torn: false,
            awake_at: None,
            is_played: false,
            is_closed: false,
        };
        let settings = json!({
            "slug": format!("case-{}", Uuid::now_v7().simple()), "name": "A case",
            "checkout": "builtin", "batch_size": 2, "admit_interval_ms": 50,
            "expiry_grace_seconds": 0, "checkout_window_seconds": WINDOW_SECONDS,
        });
        let made = play.operate("create", "", &settings).await?;
        made["id"].as_str().context("the sale's id")?.clone_into(&mut play.sale);
        play.seed(size.units()).await?;
        play.withdraw().await?;
        let mut anna = play.shopper("anna", 0);
        ensure!(anna.join().await?, "anna has no place");
        play.steer("open").await?;
        anna.becomes(&["admitted"]).await?;
        play.shoppers.push((anna, Wish::Sleep));
        let (holding, waiting) = size.early();
        for (name, wish) in holding.iter().copied() {
            let mut shopper = play.shopper(name, 0);
            ensure!(shopper.join().await? && shopper.join().await?, "{name} has no place");
            shopper.becomes(&["admitted"]).await?;
            play.shoppers.push((shopper, wish));
        }
        for (name, wish) in waiting.iter().copied() {
            let mut shopper = play.shopper(name, 0);
            ensure!(shopper.join().await?, "{name} has no place");
            shopper.becomes(&["waiting"]).await?;
            play.shoppers.push((shopper, wish));
        }
        Ok(play)
    }

    fn shopper(&self, name: &'static str, door: usize) -> Shopper {
        Shopper::new(name, door, &self.sale, &self.doors, &self.book)
    }

    /// What has to be so before the point of this scene is armed.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn prepare(&mut self, scene: Scene) -> Result<()> {
        match scene {
            Scene::Join => {
                let mut gina = self.shopper("gina", 0);
                ensure!(gina.join().await?, "gina has no place");
                self.shoppers.push((gina, Wish::Buy));
            }
            Scene::Audit => {
                // A free unit whose token is lost, and a ticket that is out of line.
                self.steer("pause").await?;
                self.is_paused = true;
                self.seed(1).await?;
                let mut redis = self.redis.get_multiplexed_async_connection().await?;
                let key = |name| format!("ropeline:{{{}}}:{name}", self.sale);
                let unit: i32 =
                    redis::cmd("LPOP").arg(key("tokens")).query_async(&mut redis).await?;
                redis::cmd("SREM").arg(key("guard")).arg(unit).exec_async(&mut redis).await?;
                redis::cmd("ZPOPMIN").arg(key("queue")).exec_async(&mut redis).await?;
                self.is_torn = true;
            }
            Scene::SellOut => {
                for name in ["bert", "cleo"] {
                    let (shopper, _) = self.take(name)?;
                    shopper.finish(Wish::Buy).await?;
                }
                self.lapse().await?;
                let (dora, wish) = self.take("dora")?;
                dora.becomes(&["admitted"]).await?;
                self.shoppers.push((dora, wish));
            }
            Scene::Withdraw => {
                self.steer("pause").await?;
                self.is_paused = true;
                self.seed(1).await?;
            }
            Scene::Close => self.go_on().await?,
            Scene::Admit
            | Scene::Buy
            | Scene::Leave
            | Scene::Recover
            | Scene::Release
            | Scene::Seed
            | Scene::Sweep => {}
        }
        Ok(())
    }

    /// Sets off what reaches the point, at the first door.
    ///
    /// # Errors
    /// When a store does not take what the case does behind the gateways' backs.
    pub async fn drive(&mut self, scene: Scene) -> Result<()> {
        self.doors.patience(AFTER);
        self.book.open().keep_places();
        let (sale, doors, book) = (self.sale.clone(), self.doors.clone(), self.book.clone());
        let operator = Operator { sale, doors, book };
        match scene {
            Scene::Join => {
                self.knock();
            }
            Scene::Leave => self.set_off("emil")?,
            Scene::Buy => self.set_off("bert")?,
            Scene::Release => self.set_off("cleo")?,
            Scene::SellOut => self.set_off("dora")?,
            Scene::Seed | Scene::Admit => {
                self.is_seeded = true;
                let more = self.size.more();
                self.tasks.spawn(async move { operator.seed(more).await });
            }
            Scene::Withdraw => {
                self.tasks.spawn(async move { operator.withdraw().await });
            }
            Scene::Close => {
                self.is_closed = true;
                self.tasks.spawn(async move { operator.steer("close").await });
            }
            Scene::Sweep => self.lapse().await?,
            Scene::Recover => {
                let mut redis = self.redis.get_multiplexed_async_connection().await?;
                redis::cmd("FLUSHALL").exec_async(&mut redis).await?;
            }
            Scene::Audit => {} // The auditor comes by itself.
        }
        Ok(())
    }

    /// As many as joined before join at the second door, one after the other, and soon leave.
    ///
    /// # Errors
    /// When one has no place.
    pub async fn crowd(&mut self) -> Result<()> {
        self.doors.patience(AFTER);
        for name in ["quin", "rosa", "sven", "tess", "ugo", "vera"] {
            let mut shopper = self.shopper(name, 1);
            ensure!(shopper.join().await?, "{name} has no place");
            self.shoppers.push((shopper, Wish::Leave));
        }
        Ok(())
    }

    /// Somebody joins at the first door, which may not answer for a while.
    pub fn knock(&mut self) {
        let hugo = self.shopper("hugo", 0);
        self.tasks.spawn(hugo.finish(Wish::Buy));
    }

    fn take(&mut self, name: &str) -> Result<(Shopper, Wish)> {
        let index = self.shoppers.iter().position(|(shopper, _)| shopper.name == name);
        Ok(self.shoppers.swap_remove(index.with_context(|| format!("{name} is here"))?))
    }

    fn set_off(&mut self, name: &str) -> Result<()> {
        let (shopper, wish) = self.take(name)?;
        self.tasks.spawn(shopper.finish(wish));
        Ok(())
    }

    /// Brings the sale to its end, whatever happened: everyone comes back, everything is sold, and then
    /// two units more are offered to one shopper.
    ///
    /// # Errors
    /// When somebody is not served in time, or is told what nobody expects.
    pub async fn go_on(&mut self) -> Result<()> {
        self.doors.patience(AFTER);
        if !self.is_played {
            self.sell_everything().await?;
            if let Some(awake_at) = self.awake_at {
                sleep_until(awake_at).await;
            }
            self.offer_more().await?;
            self.is_played = true;
        }
        self.all_done().await
    }

    async fn sell_everything(&mut self) -> Result<()> {
        // Before anything else is sold: who is told that everything is sold is told so for good.
        if !self.is_seeded {
            self.seed(self.size.more()).await?;
        }
        for name in self.size.late().iter().copied() {
            if self.shoppers.iter().all(|(shopper, _)| shopper.name != name) {
                self.shoppers.push((self.shopper(name, 0), Wish::Buy));
            }
        }
        let mut sleeper = None;
        for (door, (mut shopper, wish)) in
            std::mem::take(&mut self.shoppers).into_iter().enumerate()
        {
            shopper.door = door;
            if wish == Wish::Sleep {
                sleeper = Some(shopper);
            } else {
                self.tasks.spawn(shopper.finish(wish));
            }
        }
        self.steer_about().await?;
        if !self.is_lapsed {
            self.lapse().await?;
        }
        if let Some(sleeper) = sleeper {
            sleeper.becomes(&["expired"]).await?;
        }
        self.all_done().await?;
        let unsold: i64 = sqlx::query_scalar(
            "SELECT stock - (SELECT count(*) FROM withdrawn_units w WHERE w.sale_id = s.id)
                    - (SELECT count(*) FROM orders o WHERE o.sale_id = s.id)
             FROM sales s WHERE id::text = $1",
        )
        .bind(&self.sale)
        .fetch_one(&self.sql)
        .await?;
        ensure!(unsold == 0, "S5: {unsold} units are not sold, and shoppers were sent away");
        Ok(())
    }

    /// The operator holds the sale for a moment, unless everything is sold already, and says something.
    async fn steer_about(&self) -> Result<()> {
        let operator = self.operator();
        if self.is_torn {
            self.balanced(None).await?; // Nobody is let in past the ticket that is out of line.
        }
        if self.is_paused || operator.change("pause", "/pause", &json!({})).await?.is_some() {
            operator.steer("resume").await?;
        }
        operator.change("notice", "/notices", &json!({ "text": "Soon" })).await?;
        Ok(())
    }

    async fn offer_more(&mut self) -> Result<()> {
        let mut kurt = self.shopper("kurt", 1);
        if kurt.join().await? {
            // He came before the last gateway had heard of the end.
            kurt.becomes(&["sold_out"]).await?;
        }
        self.seed(2).await?;
        let mut lena = self.shopper("lena", 0);
        ensure!(lena.join().await?, "lena has no place though two units are free");
        lena.finish(Wish::Release).await?;
        self.balanced(Some(2)).await
    }

    /// Waits until the books balance, with so many units on offer where that is known.
    async fn balanced(&self, units: Option<i64>) -> Result<()> {
        let path = format!("/sales/{}/reconciliation", self.sale);
        loop {
            let why = match self.doors.at(0).read(&path).await {
                Ok(said) if said["consistent"] == true => match units {
                    Some(units) => return offered(&said, units),
                    None => return Ok(()),
                },
                Ok(said) => said.to_string(),
                Err(error) => format!("{error:#}"),
            };
            ensure!(!self.doors.is_late(), "S4: the books do not balance: {why}");
            sleep(LOOK).await;
        }
    }

    /// Waits for what runs besides.
    async fn all_done(&mut self) -> Result<()> {
        while let Some(done) = self.tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Closes the sale, unless it is closed.
    ///
    /// # Errors
    /// When it is refused or not answered in time.
    pub async fn close(&mut self) -> Result<()> {
        if !self.is_closed {
            self.is_closed = true;
            self.steer("close").await?;
        }
        Ok(())
    }

    /// Ends the sleeper's window now, so that no case waits for it.
    async fn lapse(&mut self) -> Result<()> {
        self.is_lapsed = true;
        sqlx::query(
            "UPDATE holds SET expires_at = greatest(clock_timestamp(), admitted_at + interval '1 ms')
             WHERE sale_id::text = $1 AND state = 'active'
               AND seq = (SELECT min(seq) FROM holds WHERE sale_id::text = $1)",
        )
        .bind(&self.sale)
        .execute(&self.sql)
        .await?;
        Ok(())
    }

    fn operator(&self) -> Operator {
        let (sale, doors) = (self.sale.clone(), self.doors.clone());
        Operator { sale, doors, book: self.book.clone() }
    }

    async fn operate(&self, action: &'static str, path: &str, body: &Value) -> Result<Value> {
        self.operator().change(action, path, body).await?.context("refused")
    }

    async fn seed(&self, count: i64) -> Result<()> {
        self.operator().seed(count).await
    }

    async fn withdraw(&self) -> Result<()> {
        self.operator().withdraw().await
    }

    async fn steer(&self, verb: &'static str) -> Result<()> {
        self.operator().steer(verb).await
    }

    /// The last batch that Postgres has in the first epoch.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn last_batch(&self) -> Result<i64> {
        let query =
            "SELECT coalesce(max(n), 0) FROM batches WHERE sale_id::text = $1 AND epoch = 1";
        Ok(sqlx::query_scalar(query).bind(&self.sale).fetch_one(&self.sql).await?)
    }

    /// The epoch that Redis may serve: a rebuild that never served leaves it as it was.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn epoch(&self) -> Result<i32> {
        let query = "SELECT served_epoch FROM sales WHERE id::text = $1";
        Ok(sqlx::query_scalar(query).bind(&self.sale).fetch_one(&self.sql).await?)
    }

    /// Postgres, behind the gateways' backs.
    pub fn sql(&self) -> &PgPool {
        &self.sql
    }
}

/// Whether a reconciliation found so many free units, and all of them offered.
fn offered(reconciliation: &Value, units: i64) -> Result<()> {
    let checks = reconciliation["checks"].as_array().context("checks")?;
    let free = checks.iter().find(|check| check["name"] == "free units offered");
    let free = free.context("the check of free units")?;
    ensure!(free["actual"] == units, "S4: {units} units are free, but offered are {free}");
    Ok(())
}

/// The operator's side of a case. Each change is asked for twice under one key.
struct Operator {
    sale: String,
    doors: Arc<Doors>,
    book: Arc<Book>,
}

impl Operator {
    /// What a change answers; nothing when the sale is not open for it.
    async fn change(
        &self,
        action: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Option<Value>> {
        let key = Uuid::now_v7().to_string();
        let path = match self.sale.as_str() {
            "" => "/api/v1/admin/sales".to_owned(),
            sale => format!("/api/v1/admin/sales/{sale}{path}"),
        };
        let call = Call {
            method: Method::POST,
            path,
            bearer: ADMIN_KEY.to_owned(),
            key: Some(key),
            body: Some(body.clone()),
        };
        let what = || format!("the operator's {action}");
        let answer = self.doors.ask(0, &call).await.with_context(what)?;
        let again = self.doors.ask(1, &call).await.with_context(what)?;
        let mut book = self.book.open();
        if (answer.status, &answer.body) != (again.status, &again.body) {
            book.wrong.push(format!("S7: {action}: {} and then {}", answer.body, again.body));
        }
        if answer.status == 409 && code(&answer.body) == "not-open" {
            return Ok(None);
        }
        ensure!(answer.status < 300, "{action}: {} {}", answer.status, answer.body);
        book.operated.push(action);
        Ok(Some(answer.body))
    }

    async fn seed(&self, count: i64) -> Result<()> {
        let body = json!({ "count": count });
        self.change("seed", "/tokens", &body).await?.context("refused")?;
        self.book.open().seeded += count;
        Ok(())
    }

    /// Takes one unit out of the sale.
    async fn withdraw(&self) -> Result<()> {
        let body = json!({ "count": 1 });
        self.change("withdraw", "/withdrawals", &body).await?.context("refused")?;
        self.book.open().withdrawn += 1;
        Ok(())
    }

    async fn steer(&self, verb: &'static str) -> Result<()> {
        self.change(verb, &format!("/{verb}"), &json!({})).await?.context("refused")?;
        Ok(())
    }
}
