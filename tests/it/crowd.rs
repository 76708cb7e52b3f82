//! A whole crowd against the real binary, with real sockets: the sale ends with every unit sold once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::member::Member;
use crate::support::served::Served;
use crate::support::{ADMIN_KEY, Answer, Place, eventually};

/// How long a crowd may take in all: many times what it does.
const CROWD_WITHIN: Duration = Duration::from_secs(300);
/// How long a client waits for an answer, or for a word on a socket, before it goes elsewhere. A gateway
/// says something at least every 8 seconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Longer than a gateway can hold a lock in Postgres without a word, and longer than an epoch lasts here.
const FROZEN_FOR: Duration = Duration::from_secs(7);
/// Between two tries of a client whose gateway does not answer.
pub const RETRY: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    shoppers: usize,
    units: usize,
    /// Or else everyone polls.
    pub sockets: bool,
    /// One in so many of those admitted walks away, and the unit comes back after the window.
    pub walks_away: usize,
    window_seconds: u32,
    gateways: usize,
    trouble: Trouble,
    /// Who has bought asks another gateway for the receipt.
    pub asks_elsewhere: bool,
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    /// One gateway is killed in the middle, for good.
    OneKilled,
    /// In turn one is killed and another is frozen, so that one is left; both come back.
    KilledAndFrozen,
}

const SMALL: Plan = Plan {
    shoppers: 300,
    units: 100,
    sockets: true,
    walks_away: 3,
    window_seconds: 3,
    gateways: 2,
    trouble: Trouble::None,
    asks_elsewhere: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_two_gateways_buy_a_hundred_units_though_a_third_walks_away() {
    crowd(Plan { shoppers: 1_000, ..SMALL }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_in_the_middle_costs_no_unit_and_no_place() {
    crowd(Plan { trouble: Trouble::OneKilled, ..SMALL }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_are_killed_and_frozen_in_turn_and_shoppers_find_place_hold_and_receipt() {
    // A window that outlives the silence after which a shopper goes elsewhere.
    let plan = Plan { gateways: 3, window_seconds: 20, walks_away: 20, ..SMALL };
    let trouble = Trouble::KilledAndFrozen;
    crowd(Plan { trouble, asks_elsewhere: true, ..plan }).await;
}

/// `ROPELINE_BIG_CROWD=1` asks for it; it takes minutes of both cores.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_who_poll_buy_a_thousand_units() {
    if std::env::var("ROPELINE_BIG_CROWD").is_ok_and(|it| it == "1") {
        // A window in which ten thousand can poll three times on two cores.
        let big = Plan { shoppers: 10_000, units: 1_000, sockets: false, ..SMALL };
        crowd(Plan { walks_away: 10, window_seconds: 30, ..big }).await;
    }
}

/// How it ended for one shopper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Told that the hold is confirmed; the order's id.
    Bought(String),
    WalkedAway,
    /// The window was over before the confirm came in.
    TooLate,
    SoldOut,
}

/// What the shoppers of one crowd share.
pub struct Crowd {
    client: Client,
    bases: Vec<String>,
    pub sale: String,
    pub plan: Plan,
    pub admitted: AtomicUsize,
    pub bought: AtomicUsize,
}

async fn crowd(plan: Plan) {
    let place = Place::fresh().await;
    let mut gateways = Vec::new();
    for _ in 0..plan.gateways {
        gateways.push(Served::start(&place).await);
    }
    let client = Client::builder().timeout(ANSWER_WITHIN).build().unwrap();
    let bases = gateways.iter().map(|gateway| gateway.base.clone()).collect::<Vec<_>>();
    let sale = make_sale(&client, &bases, plan).await;
    let crowd = Arc::new(Crowd {
        client,
        bases,
        sale,
        plan,
        admitted: AtomicUsize::new(0),
        bought: AtomicUsize::new(0),
    });
    let shoppers: Vec<_> =
        (0..plan.shoppers).map(|at| tokio::spawn(crowd.clone().shop(at))).collect();
    match plan.trouble {
        Trouble::None => {}
        Trouble::OneKilled => {
            crowd.buys(plan.units / 4).await;
            gateways[0].kill();
        }
        Trouble::KilledAndFrozen => crowd.kill_and_freeze(&place, &mut gateways).await,
    }
    let ends = timeout(CROWD_WITHIN, async {
        let mut ends = Vec::new();
        for shopper in shoppers {
            ends.push(shopper.await.unwrap());
        }
        ends
    });
    let ends = ends.await.expect("the sale ends");
    crowd.check(&ends).await;
}

/// An open sale that both gateways know.
async fn make_sale(client: &Client, bases: &[String], plan: Plan) -> String {
    let operator = |path: &str, body: Value| {
        let request = client.post(format!("{}/api/v1/admin/sales{path}", bases[1]));
        Answer::of(request.bearer_auth(ADMIN_KEY).json(&body))
    };
    let made = operator(
        "",
        json!({ "slug": "crowd", "name": "A crowd", "checkout": "builtin", "admit_interval_ms": 50,
                "batch_size": 100, "expiry_grace_seconds": 0, "checkout_window_seconds": plan.window_seconds }),
    )
    .await;
    let sale = made.body["id"].as_str().unwrap().to_owned();
    let seeded = operator(&format!("/{sale}/tokens"), json!({ "count": plan.units })).await;
    assert_eq!(seeded.body["seeded"], plan.units);
    assert_eq!(operator(&format!("/{sale}/open"), json!({})).await.status, 200);
    for base in bases {
        let facts = format!("{base}/api/v1/sales/{sale}");
        eventually("each gateway knows the sale", async || {
            Answer::of(client.get(&facts)).await.body["status"] == "open"
        })
        .await;
    }
    sale
}

impl Crowd {
    async fn shop(self: Arc<Self>, at: usize) -> End {
        // Unguessable to others, and the retry of a join whose answer was lost finds its ticket.
        let key = format!("shopper-{at}-of-this-crowd");
        let path = format!("/api/v1/sales/{}/tickets", self.sale);
        let joined = loop {
            match self.send(at, Method::POST, &path, None, Some(&key)).await {
                Some(answer) if [200, 201].contains(&answer.status.as_u16()) => break answer.body,
                Some(answer) if answer.refusal() == (409, "sold-out") => return End::SoldOut,
                Some(answer) if answer.status == 503 => {}
                Some(other) => panic!("join: {}", other.text),
                None => {}
            }
            sleep(RETRY).await;
        };
        let text = |name: &str| joined[name].as_str().unwrap().to_owned();
        let shopper =
            Member { crowd: self, at, ticket: text("ticket"), credential: text("credential") };
        let state = shopper.turn().await;
        match state["state"].as_str().unwrap() {
            "admitted" => shopper.check_out(&state).await,
            "sold_out" => End::SoldOut,
            // Back from a gateway that was killed, and the window was over before.
            "expired" => End::TooLate,
            other => panic!("{other}: {state}"),
        }
    }

    /// Waits until so many are bought.
    async fn buys(&self, units: usize) {
        eventually("the sale goes on", async || self.bought.load(Ordering::Relaxed) >= units).await;
    }

    /// Leaves one gateway of three at a time. While one is frozen Redis forgets the sale, so that it wakes
    /// in another epoch.
    async fn kill_and_freeze(&self, place: &Place, gateways: &mut [Served]) {
        let mut redis = place.redis().await;
        for round in 0..gateways.len() {
            self.buys(round * self.plan.units / 6 + 1).await;
            let (killed, frozen) = (round, (round + 1) % gateways.len());
            gateways[frozen].signal("-STOP");
            gateways[killed].kill();
            let mut forget = redis::cmd("UNLINK");
            for name in ["ctl", "queue", "tokens", "guard", "feed"] {
                forget.arg(format!("ropeline:{{{}}}:{name}", self.sale));
            }
            forget.exec_async(&mut redis).await.unwrap();
            sleep(FROZEN_FOR).await;
            gateways[frozen].signal("-CONT");
            gateways[killed].start_again(place).await;
        }
    }

    /// One request to this shopper's gateway, or to the other one while it does not answer.
    pub async fn send(
        &self,
        at: usize,
        method: Method,
        path: &str,
        credential: Option<&str>,
        key: Option<&str>,
    ) -> Option<Answer> {
        for base in self.nearest(at) {
            let mut request = self.client.request(method.clone(), format!("{base}{path}"));
            request = request.json(&json!({}));
            if let Some(credential) = credential {
                request = request.bearer_auth(credential);
            }
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            if let Ok(response) = request.send().await {
                let (status, headers) = (response.status(), response.headers().clone());
                if let Ok(text) = response.text().await {
                    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
                    return Some(Answer { status, headers, text, body });
                }
            }
        }
        None
    }

    pub fn nearest(&self, at: usize) -> impl Iterator<Item = &String> {
        self.bases.iter().cycle().skip(at % self.bases.len()).take(self.bases.len())
    }

    /// What must be so when all is over.
    async fn check(&self, ends: &[End]) {
        let ask = |path: String| async move {
            let path = format!("{}/api/v1/admin/sales/{}{path}", self.bases[1], self.sale);
            Answer::of(self.client.get(path).bearer_auth(ADMIN_KEY)).await.body
        };
        let (plan, units) = (self.plan, self.plan.units);
        let orders = pages(&ask, "/orders").await;
        let sold: HashSet<i64> =
            orders.iter().map(|order| order["unit"].as_i64().unwrap()).collect();
        assert_eq!(orders.len(), units, "every unit is sold, and none twice");
        assert_eq!(sold, (1..=units as i64).collect());

        let ids: HashSet<&str> = orders.iter().map(|order| order["id"].as_str().unwrap()).collect();
        let told: Vec<&str> = ends
            .iter()
            .filter_map(
                |end| if let End::Bought(order) = end { Some(order.as_str()) } else { None },
            )
            .collect();
        assert_eq!(told.len(), units, "as many were told so");
        assert_eq!(told.into_iter().collect::<HashSet<_>>(), ids, "and of these very orders");

        let holds = pages(&ask, "/holds").await;
        let walked = ends.iter().filter(|end| **end == End::WalkedAway).count();
        assert!(walked > 0 && holds.len() >= units + walked);
        in_order(&holds);
        let stats = ask("/stats".into()).await;
        let tokens =
            json!({ "seeded": units, "available": 0, "held": 0, "sold": units, "withdrawn": 0 });
        assert_eq!(stats["tokens"], tokens);
        assert_eq!((&stats["status"], &stats["waiting"]), (&json!("sold_out"), &json!(0)));
        assert_eq!(stats["admitted"], holds.len());
        let joined = stats["joined"].as_u64().unwrap() as usize;
        assert!((holds.len()..=plan.shoppers).contains(&joined), "{stats}");
        let audit = pages(&ask, "/audit").await;
        let sold_out = audit.iter().filter(|item| item["action"] == "sold_out").count();
        assert_eq!(sold_out, 1, "written down once, however many gateways saw it");
        let said = ask("/reconciliation".into()).await;
        assert_eq!(said["consistent"], true, "{said}");
    }
}

/// All items of a list.
async fn pages<F: Future<Output = Value>>(ask: &impl Fn(String) -> F, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(format!("{path}?limit=1000{cursor}")).await;
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Whoever was admitted later has a higher number, and no unit was two shoppers' at one time.
fn in_order(holds: &[Value]) {
    // As times: as text 48.8Z comes after 48.81Z.
    let time = |hold: &Value, name: &str| -> Timestamp {
        hold[name].as_str().map_or(Timestamp::MAX, |text| text.parse().unwrap())
    };
    let mut by_time: Vec<(Timestamp, u64)> = holds
        .iter()
        .map(|hold| (time(hold, "admitted_at"), hold["number"].as_u64().unwrap()))
        .collect();
    by_time.sort();
    assert!(by_time.windows(2).all(|two| two[0].1 < two[1].1), "admitted in the order of joining");
    let mut by_unit: BTreeMap<u64, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for hold in holds {
        let times = (time(hold, "admitted_at"), time(hold, "ended_at"));
        by_unit.entry(hold["unit"].as_u64().unwrap()).or_default().push(times);
    }
    for (unit, mut times) in by_unit {
        times.sort();
        assert!(times.windows(2).all(|two| two[0].1 <= two[1].0), "unit {unit}: {times:?}");
    }
}
