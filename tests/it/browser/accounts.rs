//! Accounts and keys in the console, and what each role sees of it.

use serde_json::json;

use crate::browser::camera::Camera;
use crate::browser::page::Page;
use crate::support::staff::PASSWORD;
use crate::support::{ADMIN_KEY, Shop};

async fn log_in(page: &Page, name: &str, password: &str) {
    page.go("/admin/login").await;
    page.fill("name", name).await;
    page.fill("password", password).await;
    page.press("Log in").await;
}

async fn by_key(page: &Page) {
    page.go("/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.shows("Create a sale").await;
}

async fn add(page: &Page, name: &str, role: &str) {
    page.fill("operator-name", name).await;
    page.run(&format!("document.getElementById('operator-role').value = '{role}'")).await;
    page.fill("operator-password", PASSWORD).await;
    page.press("Add the operator").await;
}

#[tokio::test]
async fn an_owner_adds_people_changes_them_and_lets_them_go() {
    let shop = Shop::open().await;
    let page = Page::of(&shop).await;
    by_key(&page).await;
    page.press("Operators").await;
    page.shows("Nobody has an account yet.").await;
    add(&page, "Ana", "owner").await;
    page.shows("The operator is added.").await;
    page.shows("The last owner: stays until there is another one.").await;
    page.lacks("Remove Ana").await;
    add(&page, "ana", "viewer").await;
    page.shows("Another operator or key has this name").await;
    assert_eq!(page.value("operator-name").await, "ana");
    assert_eq!(page.value("operator-password").await, "", "a password is not sent back");
    add(&page, "Ben", "viewer").await;
    page.shows("Ben").await;
    page.fits_at_widths("operators").await;

    log_in(&page, "Ben", "not his password").await;
    page.shows("This name and password do not belong together.").await;
    assert_eq!(page.value("name").await, "Ben");
    let sale = shop.open_sale(3, json!({})).await;
    log_in(&page, "Ben", PASSWORD).await;
    page.shows("Ben (viewer)").await;
    page.lacks("Create the sale").await;
    page.lacks("Operators").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    page.shows("Live.").await;
    for button in ["Pause", "Add units", "Close the sale", "Send", "Remove from the line"] {
        assert!(!page.offers(button).await, "{button}");
    }
    page.go("/admin/operators").await;
    page.shows("This needs the role owner, and you are viewer").await;

    log_in(&page, "Ana", PASSWORD).await;
    page.press("Operators").await;
    page.press("Remove").await;
    page.press("Remove Ben").await;
    page.shows("The operator is removed and logged out.").await;
    page.shows("removed Ben, who was viewer").await;
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoked_by_a_press() {
    let shop = Shop::open().await;
    let page = Page::of(&shop).await;
    by_key(&page).await;
    page.press("API keys").await;
    page.shows("There is no API key yet").await;
    page.fill("key-name", "Web shop").await;
    page.press("Make the key").await;
    page.shows("Copy it now.").await;
    let key = page.read("#secret").await;
    assert_eq!(shop.looks(&key).await.refusal(), (403, "forbidden"), "it is a checkout's key");
    page.fits_at_widths("keys").await;
    page.go("/admin/keys").await;
    page.shows("Web shop").await;
    page.lacks(&key).await;
    page.press("Revoke").await;
    page.shows("The key is revoked.").await;
    shop.looks(&key).await.is_problem(401, "not-authenticated");
    page.leave_quietly().await;
}

#[tokio::test]
async fn everyone_changes_the_own_password_and_ends_the_own_sessions() {
    let shop = Shop::open().await;
    shop.add_operator("Ana", "operator").await;
    let elsewhere = shop.log_in("Ana").await;
    let page = Page::of(&shop).await;
    log_in(&page, "Ana", PASSWORD).await;
    page.press("Ana (operator)").await;
    page.shows("this one").await;
    page.fill("password-old_password", "not my password").await;
    page.fill("password-password", "a later sentence").await;
    page.press("Change the password").await;
    page.shows("Is not your password.").await;
    page.fill("password-old_password", PASSWORD).await;
    page.fill("password-password", "a later sentence").await;
    page.press("Change the password").await;
    page.shows("Your password is changed, and every other session has ended.").await;
    assert_eq!(shop.page(&elsewhere, "/admin").await.status, 303);
    page.fits_at_widths("account").await;
    page.press("Log out everywhere").await;
    page.shows("ropeline console").await;
    log_in(&page, "Ana", "a later sentence").await;
    page.shows("Create a sale").await;
    page.leave_with_failed_requests().await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn pictures_of_accounts_and_the_report() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let page = &camera.page;
    page.go("/admin/login").await;
    camera.take_when("Use the API key instead", "accounts-login").await;
    by_key(page).await;
    page.go("/admin/operators").await;
    camera.take("accounts-operators-none").await;
    shop.add_operator("Ana Ruiz", "owner").await;
    shop.add_operator("Ben", "operator").await;
    shop.add_operator("Wall screen", "viewer").await;
    log_in(page, "Ana Ruiz", PASSWORD).await;
    page.shows("Create a sale").await;
    page.go("/admin/operators").await;
    camera.take_when("Wall screen", "accounts-operators").await;
    page.go("/admin/keys").await;
    for (name, role) in [("Dashboard", "viewer"), ("Web shop", "checkout")] {
        page.fill("key-name", name).await;
        page.run(&format!("document.getElementById('key-role').value = '{role}'")).await;
        page.press("Make the key").await;
        page.shows("Here is the key").await;
    }
    camera.take("accounts-keys").await;
    page.go("/admin/account").await;
    camera.take("accounts-account").await;
    let sale = shop.sale(json!({ "name": "Winter boots, size 42" })).await;
    sale.seed(3).await;
    sale.steer("close").await;
    crate::reports::report::tell_story(&shop, &sale).await;
    page.go(&format!("/admin/sales/{}/report", sale.slug)).await;
    camera.take_when("How well it was foretold", "report").await;
    camera.take_print("report-print").await;
    let printed = page.browser.cdp("Page.printToPDF", json!({ "printBackground": false })).await;
    let pdf = printed["data"].as_str().unwrap();
    camera.keep_as("report.pdf", pdf);
    let sale = shop.open_sale(40, json!({ "name": "Still running" })).await;
    log_in(page, "Wall screen", PASSWORD).await;
    page.shows("Sales").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    camera.take_when("Live.", "console-viewer").await;
    page.go(&format!("/admin/sales/{}/report", sale.slug)).await;
    camera.take_when("Report so far", "report-so-far").await;
}
