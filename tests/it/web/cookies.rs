//! The ticket cookies of one browser: bounded in number, and each ends with its sale.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Sale, Shop};

/// What a browser keeps.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn header(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn take(&mut self, answer: &Answer) {
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (pair, rest) = set.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    async fn send(&mut self, shop: &Shop, method: Method, path: &str) -> Answer {
        let request = shop.request(method, path).header("accept", "text/html");
        let answer = Answer::of(request.header("cookie", self.header())).await;
        self.take(&answer);
        answer
    }

    fn has(&self, sale: &Sale<'_>) -> bool {
        self.0.contains_key(&format!("ropeline-ticket-{}", sale.id))
    }

    async fn join(&mut self, sale: &Sale<'_>) {
        let room = format!("/s/{}", sale.slug);
        self.send(sale.shop, Method::GET, &room).await;
        let joined = self.send(sale.shop, Method::POST, &format!("{room}/join")).await;
        assert_eq!(joined.status, 303, "{}", joined.text);
    }
}

#[tokio::test]
async fn sixty_sales_fit_one_browser_and_no_live_place_is_lost() {
    let shop = Shop::open().await;
    let mut jar = Jar::default();
    let (mut live, mut left) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let sale = shop.sale(json!({})).await;
        jar.join(&sale).await;
        if number % 6 == 0 {
            live.push(sale);
        } else {
            let path = format!("/s/{}/leave", sale.slug);
            assert_eq!(jar.send(&shop, Method::POST, &path).await.status, 303);
            left.push(sale);
        }
        assert!(jar.header().len() < 4_096, "{} bytes after {number}", jar.header().len());
    }
    assert!(live.iter().all(|sale| jar.has(sale)), "ten places are all kept");
    let kept: Vec<bool> = left.iter().map(|sale| jar.has(sale)).collect();
    let newest = kept.iter().rev().take_while(|it| **it).count();
    assert_eq!(newest, kept.iter().filter(|it| **it).count(), "the oldest went first: {kept:?}");
    assert!((8..=11).contains(&newest), "{newest}");
    for sale in &live {
        let page = jar.send(&shop, Method::GET, &format!("/s/{}", sale.slug)).await;
        assert!(page.text.contains("You are in line"), "{}", page.text);
    }
}

#[tokio::test]
async fn a_cookie_lasts_until_after_its_sale_and_for_a_day_after_its_ticket_ended() {
    let shop = Shop::open().await;
    let seconds = |answer: &Answer, sale: &Sale<'_>| -> i64 {
        let name = format!("ropeline-ticket-{}=", sale.id);
        let all = answer.headers.get_all("set-cookie");
        let set = all.iter().map(|set| set.to_str().unwrap()).find(|set| set.starts_with(&name));
        let age = set.expect("its cookie is set").split("Max-Age=").nth(1).unwrap();
        age.split(';').next().unwrap().parse().unwrap()
    };
    let day = 24 * 3600;
    let far = shop.sale(json!({ "starts_at": "2099-01-01T00:00:00Z" })).await;
    let joined = far.try_join().await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    assert_eq!(seconds(&joined, &far), 400 * day, "it lives to see the start");
    let sale = shop.open_sale(1, json!({})).await;
    let joined = sale.try_join().await;
    assert!((30 * day..=31 * day).contains(&seconds(&joined, &sale)));
    let mut jar = Jar::default();
    jar.take(&joined);
    let room = format!("/s/{}", sale.slug);
    let page = jar.send(&shop, Method::GET, &room).await;
    assert_eq!(page.header("set-cookie"), "", "a live one is left alone");
    let ana = crate::support::Shopper::new(&shop, &joined.body);
    ana.release(&ana.hold().await).await;
    let page = jar.send(&shop, Method::GET, &room).await;
    assert_eq!(seconds(&page, &sale), day);
    jar.join(&sale).await;
    let cookie = jar.0[&format!("ropeline-ticket-{}", sale.id)].clone();
    let ticket =
        page.text.split("&#34;ticket&#34;:&#34;").nth(1).unwrap().split("&#34;").next().unwrap();
    assert_eq!(ticket, ana.ticket);
    assert_ne!(cookie, ana.credential, "the new place has the cookie now");
}

#[tokio::test]
async fn a_cookie_that_no_gateway_can_read_goes_with_the_next_join() {
    let shop = Shop::open().await;
    let (old, sale) = (shop.sale(json!({})).await, shop.sale(json!({})).await);
    let mut jar = Jar::default();
    jar.0.insert(format!("ropeline-ticket-{}", old.id), "r1.signed.before".into());
    jar.join(&sale).await;
    assert!(jar.has(&sale) && !jar.has(&old));
}

#[tokio::test]
async fn one_ticket_under_the_names_of_many_sales_is_no_work_and_goes_with_the_next_join() {
    let shop = Shop::open().await;
    let (held, sale) = (shop.open_sale(1, json!({})).await, shop.sale(json!({})).await);
    let ana = held.join().await;
    ana.hold().await;
    // Its hold is open, so that it is in no line in memory: each look at it would ask Postgres.
    let mut jar = Jar::default();
    let names: Vec<String> = (0..25).map(|_| ropeline::model::SaleId::new().to_string()).collect();
    for name in names.iter().chain([&held.id]) {
        jar.0.insert(format!("ropeline-ticket-{name}"), ana.credential.clone());
    }
    jar.join(&sale).await;
    assert!(jar.has(&sale) && jar.has(&held), "the ticket itself stays");
    let left = names.iter().filter(|name| jar.0.contains_key(&format!("ropeline-ticket-{name}")));
    assert_eq!(left.count(), 0);
}
