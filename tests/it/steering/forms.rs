//! The console's forms of settings: an old page changes what its person changed, and overwrites nothing else.

use serde_json::json;

use crate::support::staff::post;
use crate::support::{Answer, Sale, Shop};

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
    let value = rest.split('"').next()?;
    Some(value.replace("&#38;", "&").replace("&#34;", "\"").replace("&amp;", "&"))
}

/// What a browser would send of the form with this action, as the page has it.
pub fn form_of(page: &str, action: &str) -> Vec<(String, String)> {
    let start = format!("<form method=\"post\" action=\"{action}\"");
    let form = page.split(&start).nth(1).unwrap_or_else(|| panic!("no form {action}: {page}"));
    let form = form.split("</form>").next().unwrap();
    let mut sent = Vec::new();
    for part in form.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        let Some(name) = attribute(tag, "name") else {
            if part.starts_with("option") && tag.contains(" selected") {
                let text = part.split('>').nth(1).unwrap_or_default().to_owned();
                let (_, chosen) = sent.last_mut().unwrap();
                *chosen = attribute(tag, "value").unwrap_or(text);
            }
            continue;
        };
        let is_box = tag.contains("type=\"checkbox\"");
        if is_box && !tag.contains(" checked") {
            continue;
        }
        let text = part.split('>').nth(1).unwrap_or_default().to_owned();
        let value = if part.starts_with("textarea") { Some(text) } else { attribute(tag, "value") };
        sent.push((name, value.unwrap_or_default()));
    }
    sent
}

/// The same after a person has typed into it.
fn typed(form: &[(String, String)], changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut form = form.to_vec();
    for (name, text) in changes {
        form.retain(|(field, _)| field != name);
        form.push(((*name).to_owned(), (*text).to_owned()));
    }
    form
}

async fn send(shop: &Shop, cookie: &str, path: &str, form: &[(String, String)]) -> Answer {
    let form: Vec<_> = form.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    post(shop, path, cookie, &form).await
}

fn page_of(sale: &Sale<'_>, rest: &str) -> String {
    format!("/admin/sales/{}{rest}", sale.slug)
}

#[tokio::test]
async fn an_old_settings_form_does_not_bring_an_old_start_back() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "starts_at": "2099-11-27T12:00:00Z" })).await;
    shop.add_operator("ana", "operator").await;
    shop.add_operator("ben", "operator").await;
    let (ana, ben) = (shop.log_in("ana").await, shop.log_in("ben").await);
    let action = page_of(&sale, "/settings");
    let older = form_of(&shop.page(&ben, &page_of(&sale, "")).await.text, &action);
    let newer = typed(&older, &[("starts_at", "2099-11-27T15:00")]);
    assert_eq!(send(&shop, &ana, &action, &newer).await.status, 303);

    let saved = send(&shop, &ben, &action, &typed(&older, &[("max_waiting", "5000")])).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let now = shop.ask(&sale.path("")).await.body;
    assert_eq!(
        (&now["starts_at"], &now["max_waiting"]),
        (&json!("2099-11-27T15:00:00Z"), &json!(5000))
    );
    let audit = shop.ask(&sale.path("/audit")).await.body;
    assert_eq!(audit["items"][0]["detail"], json!({ "max_waiting": 5000 }), "what was changed");

    // Both changed the same field: nothing is saved, and the page says who and what.
    let clash =
        typed(&older, &[("starts_at", "2099-11-27T09:00"), ("checkout_window_seconds", "60")]);
    let refused = send(&shop, &ben, &action, &clash).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    for told in ["Ana changed this at ", "2099-11-27T15:00", "2099-11-27T09:00"] {
        assert!(refused.text.contains(told), "{told}: {}", refused.text);
    }
    let now = shop.ask(&sale.path("")).await.body;
    assert_eq!(now["starts_at"], "2099-11-27T15:00:00Z");
    assert_eq!(now["checkout_window_seconds"], 600, "nothing was saved");
    let again = form_of(&refused.text, &action);
    assert!(again.contains(&("starts_at".into(), "2099-11-27T09:00".into())), "{again:?}");
    assert!(again.contains(&("max_waiting".into(), "5000".into())), "{again:?}");
    assert_eq!(send(&shop, &ben, &action, &again).await.status, 303, "now it is meant");
    let now = shop.ask(&sale.path("")).await.body;
    assert_eq!(now["starts_at"], "2099-11-27T09:00:00Z");
    assert_eq!(now["checkout_window_seconds"], 60);
}

#[tokio::test]
async fn every_form_of_settings_says_what_it_showed() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let cookie = shop.log_in_by_key().await;
    let change = async |to| assert_eq!(shop.change(&sale, to).await.status, 200);
    // Form and page, a field with what this person types, and another one that changes meanwhile.
    let cases = [
        ("/pace", "", ("batch_size", "7"), "max_in_checkout", json!({ "max_in_checkout": 9 })),
        (
            "/settings",
            "",
            ("max_waiting", "7"),
            "ends_at",
            json!({ "ends_at": "2099-01-01T00:00:00Z" }),
        ),
        (
            "/settings",
            "",
            ("checkout_url", "https://shop.example/a"),
            "hide_stock",
            json!({ "hide_stock": true }),
        ),
        ("/brand", "/brand", ("headline", "Mine"), "brand_name", json!({ "brand_name": "Theirs" })),
        (
            "/brand",
            "/brand",
            ("brand_name", "Mine"),
            "words",
            json!({ "words": { "lead": { "*": "Theirs" } } }),
        ),
    ];
    for (form, page, mine, other, to) in cases {
        let action = page_of(&sale, form);
        let older = form_of(&shop.page(&cookie, &page_of(&sale, page)).await.text, &action);
        change(to.clone()).await;
        let saved = send(&shop, &cookie, &action, &typed(&older, &[mine])).await;
        assert_eq!(saved.status, 303, "{form} {mine:?}: {}", saved.text);
        let now = shop.ask(&sale.path("")).await.body;
        assert_eq!(now[other], to[other], "{form}: {other} was overwritten");
        assert!(now.to_string().contains(mine.1), "{form}: {mine:?} in {now}");
        // And the field itself, changed by both.
        let clash = send(&shop, &cookie, &action, &typed(&older, &[(mine.0, "8")])).await;
        assert_eq!(clash.status, 409, "{form} {mine:?}: {}", clash.text);
        assert!(clash.text.contains("Admin-key changed this at "), "{}", clash.text);
    }
    let action = page_of(&sale, "/notice");
    let older = form_of(&shop.page(&cookie, &page_of(&sale, "")).await.text, &action);
    shop.tell(&sale.path("/notices"), json!({ "text": "Theirs" })).await;
    let clash = send(&shop, &cookie, &action, &typed(&older, &[("text", "Mine")])).await;
    assert_eq!(clash.status, 409, "{}", clash.text);
    assert!(
        clash.text.contains("Theirs") && clash.text.contains(">Mine</textarea>"),
        "{}",
        clash.text
    );
    assert_eq!(shop.ask(&sale.path("")).await.body["notice"], "Theirs");
}

#[tokio::test]
async fn a_role_that_somebody_else_changed_meanwhile_is_not_changed_back_unseen() {
    let shop = Shop::open().await;
    shop.add_operator("olga", "owner").await;
    let vera = shop.add_operator("vera", "viewer").await;
    let cookie = shop.log_in("olga").await;
    let action = format!("/admin/operators/{vera}/role");
    let older = form_of(&shop.page(&cookie, "/admin/operators").await.text, &action);
    let promoted = typed(&older, &[("role", "owner")]);
    assert_eq!(send(&shop, &cookie, &action, &promoted).await.status, 303);
    let refused = send(&shop, &cookie, &action, &typed(&older, &[("role", "operator")])).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("olga changed this at "), "{}", refused.text);
    let now = form_of(&shop.page(&cookie, "/admin/operators").await.text, &action);
    assert!(now.contains(&("was.role".into(), "owner".into())), "{now:?}");
}

#[tokio::test]
async fn a_start_that_is_over_is_asked_about_and_opens_the_sale_only_after_a_yes() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let cookie = shop.log_in_by_key().await;
    let action = page_of(&sale, "/settings");
    let form = form_of(&shop.page(&cookie, &page_of(&sale, "")).await.text, &action);
    let over = typed(&form, &[("starts_at", "2020-01-01T12:00")]);
    let asked = send(&shop, &cookie, &action, &over).await;
    assert_eq!(asked.status, 422, "{}", asked.text);
    assert!(asked.text.contains("Yes, open the sale at once"), "{}", asked.text);
    assert_eq!(sale.facts().await["status"], "scheduled");
    let mut yes = form_of(&asked.text, &action);
    yes.push(("opens_at_once".into(), "true".into()));
    assert_eq!(send(&shop, &cookie, &action, &yes).await.status, 303);
    sale.becomes("open").await;
    // An end that is over has no such question: there is a button that closes.
    let form = form_of(&shop.page(&cookie, &page_of(&sale, "")).await.text, &action);
    let over = typed(&form, &[("ends_at", "2020-01-01T12:00"), ("opens_at_once", "true")]);
    assert_eq!(send(&shop, &cookie, &action, &over).await.status, 422);
    assert_eq!(sale.facts().await["status"], "open");
}

#[tokio::test]
async fn a_sale_that_is_not_ready_is_asked_about_and_opens_only_after_a_yes() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "checkout": "shop" })).await;
    sale.seed(1).await;
    let cookie = shop.log_in_by_key().await;
    let action = page_of(&sale, "/open");
    let page = shop.page(&cookie, &page_of(&sale, "")).await.text;
    assert!(
        page.contains("Ready to open?") && page.contains("Checkout address: missing."),
        "{page}"
    );
    assert!(!page.contains("Yes, open the sale as it is"), "{page}");
    let asked = send(&shop, &cookie, &action, &form_of(&page, &action)).await;
    assert_eq!(asked.status, 422, "{}", asked.text);
    for told in ["Yes, open the sale as it is", "was not opened", "Checkout address: missing."] {
        assert!(asked.text.contains(told), "{told}: {}", asked.text);
    }
    assert_eq!(sale.facts().await["status"], "scheduled");
    let mut yes = form_of(&asked.text, &action);
    yes.push(("opens_unready".into(), "true".into()));
    assert_eq!(send(&shop, &cookie, &action, &yes).await.status, 303);
    sale.becomes("open").await;
    let page = shop.page(&cookie, &page_of(&sale, "")).await.text;
    assert!(!page.contains("Ready to open?"), "{page}");
}

#[tokio::test]
async fn a_sale_that_is_ready_opens_at_the_first_press() {
    let public = "https://queue.example";
    let shop = Shop::with(crate::support::Place::fresh().await, |config| {
        config.http.public_url = Some(public.into());
    })
    .await;
    let sale = shop.sale(json!({})).await;
    sale.seed(1).await;
    let post = async |path: &str, cookie: &str, form: String| {
        let request = shop.request(reqwest::Method::POST, path).header("origin", public);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.header("cookie", cookie).body(form)).await
    };
    let key = format!("api_key={}", crate::support::ADMIN_KEY);
    let cookie = crate::support::staff::cookie_of(&post("/admin/login", "", key).await);
    let page = shop.page(&cookie, &page_of(&sale, "")).await.text;
    assert!(page.contains("Yes, everything is set up."), "{page}");
    let opened = post(&page_of(&sale, "/open"), &cookie, String::new()).await;
    assert_eq!(opened.status, 303, "{}", opened.text);
    sale.becomes("open").await;
}

#[tokio::test]
async fn the_way_back_is_kept_through_a_log_in_and_leads_nowhere_else() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let wanted = page_of(&sale, "/find?q=a%26b");
    let away = shop.page("", &wanted).await;
    let login = away.header("location").to_owned();
    assert!(login.starts_with("/admin/login?next=%2Fadmin%2Fsales%2F"), "{login}");
    let form = form_of(&shop.get(&login).await.text, "/admin/login");
    let filled = typed(&form, &[("api_key", crate::support::ADMIN_KEY)]);
    assert_eq!(send(&shop, "", "/admin/login", &filled).await.header("location"), wanted);
    // A wrong key on the way loses nothing.
    let wrong = send(&shop, "", "/admin/login", &typed(&form, &[("api_key", "a wrong key")])).await;
    let again =
        typed(&form_of(&wrong.text, "/admin/login"), &[("api_key", crate::support::ADMIN_KEY)]);
    assert_eq!(send(&shop, "", "/admin/login", &again).await.header("location"), wanted);
    for foreign in
        ["//evil.example", "https://evil.example/admin", "/s/x", "/admin\\..", "/admin//x"]
    {
        let filled = typed(&filled, &[("next", foreign)]);
        assert_eq!(send(&shop, "", "/admin/login", &filled).await.header("location"), "/admin");
    }
}

#[tokio::test]
async fn what_was_typed_when_the_session_was_over_is_shown_after_the_log_in_and_not_sent_by_itself()
{
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let cookie = shop.log_in_by_key().await;
    let action = page_of(&sale, "/notice");
    let form = form_of(&shop.page(&cookie, &page_of(&sale, "")).await.text, &action);
    let text = "Back at \"noon\" & later";
    let door = send(&shop, "", &action, &typed(&form, &[("text", text)])).await;
    assert_eq!(door.status, 403, "{}", door.text);
    let login = form_of(&door.text, "/admin/login");
    let login = typed(&login, &[("api_key", crate::support::ADMIN_KEY)]);
    let shown = send(&shop, "", "/admin/login", &login).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert_eq!(shop.ask(&sale.path("")).await.body["notice"], json!(null), "nothing was sent yet");
    let cookie = crate::support::staff::cookie_of(&shown);
    let mut kept = form_of(&shown.text, &action);
    for (_, value) in &mut kept {
        *value = value.replace("&#38;", "&").replace("&#34;", "\"");
    }
    assert_eq!(send(&shop, &cookie, &action, &kept).await.status, 303);
    assert_eq!(shop.ask(&sale.path("")).await.body["notice"], text);

    // A password is not carried.
    let fields = [("name", "zoe"), ("role", "viewer"), ("password", "a very secret word")];
    let door = post(&shop, "/admin/operators", "", &fields).await;
    assert!(!door.text.contains("a very secret word"), "{}", door.text);
    let login = form_of(&door.text, "/admin/login");
    let login = typed(&login, &[("api_key", crate::support::ADMIN_KEY), ("password", "")]);
    let shown = send(&shop, "", "/admin/login", &login).await;
    let kept = form_of(&shown.text, "/admin/operators");
    assert!(kept.contains(&("name".into(), "zoe".into())), "{kept:?}");
    assert!(kept.contains(&("password".into(), String::new())), "{kept:?}");
    // A form of another site is not kept.
    let foreign =
        shop.request(reqwest::Method::POST, &action).header("origin", "https://evil.example");
    let foreign = Answer::of(foreign.body("text=x")).await;
    assert_eq!(foreign.status, 403);
    assert!(!foreign.text.contains("carry.text"), "{}", foreign.text);
}
