//! The API as it describes itself, held against what it does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::line::tickets::names;
use crate::support::{ADMIN_KEY, Answer, Shop};

/// Every call that is promised.
const CALLS: &str = "
    get /api/v1/sales/{sale}
    post /api/v1/sales/{sale}/tickets
    get /api/v1/sales/{sale}/tickets/{ticket}
    delete /api/v1/sales/{sale}/tickets/{ticket}
    get /api/v1/sales/{sale}/tickets/{ticket}/live
    get /api/v1/sales/{sale}/tickets/{ticket}/events
    post /api/v1/sales/{sale}/tickets/{ticket}/move
    post /api/v1/moves/{code}
    get /api/v1/holds/{hold}
    post /api/v1/holds/{hold}/confirm
    post /api/v1/holds/{hold}/release
    post /api/v1/admin/sales
    get /api/v1/admin/sales
    get /api/v1/admin/sales/{sale}
    patch /api/v1/admin/sales/{sale}
    post /api/v1/admin/sales/{sale}/tokens
    post /api/v1/admin/sales/{sale}/open
    post /api/v1/admin/sales/{sale}/pause
    post /api/v1/admin/sales/{sale}/resume
    post /api/v1/admin/sales/{sale}/close
    get /api/v1/admin/sales/{sale}/stats
    get /api/v1/admin/sales/{sale}/holds
    get /api/v1/admin/sales/{sale}/orders
    get /api/v1/admin/sales/{sale}/audit
    get /api/v1/admin/sales/{sale}/orders.csv
    get /api/v1/admin/sales/{sale}/payments
    post /api/v1/admin/sales/{sale}/payments/{payment}/resolve
    get /api/v1/admin/sales/{sale}/reconciliation
    get /api/v1/admin/sales/{sale}/report
    get /api/v1/admin/sales/{sale}/report.csv
    get /api/v1/admin/health
    get /api/v1/admin/overview
    get /api/v1/admin/sales/{sale}/history
    get /api/v1/admin/sales/{sale}/plan
    get /api/v1/admin/sales/{sale}/readiness
    get /api/v1/admin/plan
    get /api/v1/admin/sales/{sale}/events.csv
    get /api/v1/admin/sales/{sale}/events.jsonl
    get /api/v1/admin/sales/{sale}/tickets
    get /api/v1/admin/sales/{sale}/tickets/{ticket}
    post /api/v1/admin/sales/{sale}/notices
    delete /api/v1/admin/sales/{sale}/tickets/{ticket}
    get /api/v1/admin/operators
    post /api/v1/admin/operators
    patch /api/v1/admin/operators/{operator}
    delete /api/v1/admin/operators/{operator}
    get /api/v1/admin/keys
    post /api/v1/admin/keys
    delete /api/v1/admin/keys/{key}
    get /api/v1/admin/audit
    get /healthz
    get /readyz
    get /metrics";

/// Every word that a problem's `code` may be and that clients were promised.
const CODES: [&str; 19] = [
    "already-admitted",
    "already-in-line",
    "forbidden",
    "hold-ended",
    "idempotency-in-progress",
    "idempotency-key-reused",
    "last-owner",
    "line-full",
    "link-ended",
    "moved",
    "name-taken",
    "not-open",
    "sale-closed",
    "slug-taken",
    "sold-out",
    "ticket-refused",
    "too-many-requests",
    "unavailable",
    "unknown-outcome",
];

async fn document(shop: &Shop) -> Value {
    let answer = shop.get("/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    answer.body
}

/// Follows a reference, if it is one.
fn at<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.strip_prefix('#').unwrap()).expect("it is there"),
        None => schema,
    }
}

/// Every field that a schema describes, its parts' included.
fn fields(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = at(document, schema);
    let own =
        schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys().cloned());
    let parts = schema["allOf"].as_array().into_iter().flatten();
    own.chain(parts.flat_map(|part| fields(document, part))).collect()
}

fn shape(document: &Value, path: &str, method: &str, status: &str) -> Value {
    let answer = &document["paths"][path][method]["responses"][status];
    answer["content"]["application/json"]["schema"].clone()
}

#[tokio::test]
async fn every_call_is_described_with_its_answers_and_refusals() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    for line in CALLS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (method, path) = line.split_once(' ').unwrap();
        let call = &document["paths"][path][method];
        assert!(call.is_object(), "{line} is not described");
        assert_ne!(call["summary"].as_str().unwrap_or_default(), "", "{line}");
        let answers = call["responses"].as_object().unwrap();
        for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
            if answer["content"].is_object() && path.starts_with("/api") {
                assert_eq!(
                    names(&answer["content"]),
                    ["application/problem+json"],
                    "{line} {status}"
                );
            }
        }
        if path.contains("{sale}") || path.contains("{hold}") {
            assert!(answers.contains_key("404"), "{line}");
        }
        if path.contains("{ticket}") || path.contains("{hold}") || path.contains("/admin/") {
            assert!(answers.contains_key("401"), "{line}");
            assert!(!path.contains("/admin/") || answers.contains_key("403"), "{line}");
        }
        if path.starts_with("/api/") && (method == "post" || method == "patch") {
            assert!(answers.contains_key("400") && answers.contains_key("422"), "{line}");
            if method == "post" {
                let named = call["parameters"].as_array().into_iter().flatten();
                let has_key = named.into_iter().any(|param| param["name"] == "Idempotency-Key");
                assert!(has_key, "{line}");
            }
        }
    }
}

#[tokio::test]
async fn every_code_is_listed_and_has_a_page_of_its_own() {
    let shop = Shop::open().await;
    let text = document(&shop).await["info"]["description"].as_str().unwrap().to_owned();
    for code in CODES {
        assert!(text.contains(&format!("`{code}`")), "{code}");
    }
    // And each one listed is one that its address knows.
    let listed = text.lines().filter_map(|line| line.strip_prefix("- `")?.split_once('`'));
    let listed: Vec<&str> = listed.map(|(code, _)| code).collect();
    assert!(listed.len() >= CODES.len());
    for code in listed {
        let page = shop.get(&format!("/problems/{code}")).await;
        assert_eq!((page.status.as_u16(), &page.body["code"]), (200, &json!(code)));
    }
    shop.get("/problems/no-such-word").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn what_is_answered_has_the_fields_that_are_described() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let bought = ana.confirm(&ana.hold().await).await.body;
    ben.release(&ben.hold().await).await;
    sale.steer("pause").await;
    let joined = sale.try_join().await.body;
    let described = |path: &str, method: &str, status: &str, answer: &Value| {
        let schema = shape(&document, path, method, status);
        let known = fields(&document, &schema);
        assert!(!known.is_empty(), "{path}");
        for name in names(answer) {
            assert!(known.contains(name), "{name} of {method} {path} is not described: {known:?}");
        }
        known
    };
    let tickets = "/api/v1/sales/{sale}/tickets";
    described(tickets, "post", "201", &joined);
    let ticket = format!("{tickets}/{{ticket}}");
    for state in [joined, ana.poll().await.body, ben.poll().await.body] {
        let mut state = state;
        for own in ["credential", "live_url"] {
            state.as_object_mut().unwrap().remove(own);
        }
        described(&ticket, "get", "200", &state);
    }
    let confirm = described("/api/v1/holds/{hold}/confirm", "post", "200", &bought);
    // What is there only where it says something.
    let confirm = confirm.iter().map(String::as_str);
    let confirm =
        confirm.filter(|name| !["duplicate_payment", "reference_used_before"].contains(name));
    assert_eq!(confirm.collect::<Vec<_>>(), names(&bought));
    let path = format!("/api/v1/holds/{}/confirm", bought["id"].as_str().unwrap());
    for reference in ["pi_1", "pi_2"] {
        let request = shop.request(reqwest::Method::POST, &path).bearer_auth(ADMIN_KEY);
        let answer = Answer::of(request.json(&json!({ "payment_reference": reference }))).await;
        described("/api/v1/holds/{hold}/confirm", "post", "200", &answer.body);
    }
    described("/api/v1/sales/{sale}", "get", "200", &sale.facts().await);
    let admin = "/api/v1/admin/sales/{sale}";
    described(admin, "get", "200", &shop.ask(&sale.path("")).await.body);
    described(&format!("{admin}/stats"), "get", "200", &sale.stats().await);
    for list in ["holds", "orders", "audit", "payments"] {
        let page = shop.ask(&sale.path(&format!("/{list}"))).await.body;
        let path = format!("{admin}/{list}");
        described(&path, "get", "200", &page);
        let schema = shape(&document, &path, "get", "200");
        let items = &at(&document, &schema)["properties"]["items"]["items"];
        let known = fields(&document, items);
        for name in names(&page["items"][0]) {
            assert!(known.contains(name), "{name} of {list}: {known:?}");
        }
    }
}

#[tokio::test]
async fn engineers_find_a_page_and_problems_are_pages_for_browsers() {
    let shop = Shop::open().await;
    let docs = shop.get("/docs").await;
    assert_eq!(docs.status, 200);
    assert!(docs.header("content-type").starts_with("text/html"));
    assert!(docs.header("content-security-policy").contains("default-src 'none'"));
    assert!(docs.text.contains("/openapi.json"), "{}", docs.text);
    let lost = shop.request(reqwest::Method::GET, "/no-such-page").header("accept", "text/html");
    let lost = Answer::of(lost).await;
    assert_eq!(lost.status, 404);
    assert!(lost.header("content-type").starts_with("text/html"), "{}", lost.text);
    for page in ["/docs", "/healthz", "/api/v1/nothing"] {
        assert_eq!(shop.get(page).await.header("x-content-type-options"), "nosniff");
    }
}

/// What tools that read the document trip over.
#[tokio::test]
async fn the_document_is_whole() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let name = format!("{method} {path}");
            no_null(&name, call);
            for (status, answer) in call["responses"].as_object().unwrap() {
                assert_ne!(answer["description"].as_str(), None, "{name} {status}");
            }
            for parameter in call["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["schema"]["type"].is_string(), "{name}: {parameter}");
            }
            let body = &call["requestBody"]["content"]["application/json"]["schema"];
            if let Some(shape) = body["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                let shape = &schemas[shape];
                assert_eq!(shape["additionalProperties"], json!(false), "{name}: unknown fields");
            } else {
                assert!(body.is_null(), "{name}: {body}");
            }
        }
    }
}

/// A key of OpenAPI that is null is no key of OpenAPI. An example may have one: its keys are the call's.
fn no_null(name: &str, value: &Value) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        if key == "example" || key == "examples" {
            continue;
        }
        assert!(!inner.is_null(), "{name}: {key} is null");
        no_null(name, inner);
    }
}

/// Names and texts of a sale's own are refused with a control character or a space at an end, and the document
/// says so of each of them.
#[tokio::test]
async fn the_document_says_which_names_and_words_are_refused() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let shapes = &document["components"]["schemas"];
    let plain = &shapes["NewSale"]["properties"]["name"]["pattern"];
    assert!(plain.is_string(), "{plain}");
    for (shape, field) in [
        ("NewSale", "brand_name"),
        ("ChangedSale", "name"),
        ("ChangedSale", "brand_name"),
        ("NewOperator", "name"),
        ("NewApiKey", "name"),
    ] {
        assert_eq!(&shapes[shape]["properties"][field]["pattern"], plain, "{shape} {field}");
    }
    let sale = shop.sale(json!({})).await;
    for shape in ["NewSale", "ChangedSale"] {
        let words = &shapes[shape]["properties"]["words"];
        assert_eq!(words["additionalProperties"], json!(false), "{words}");
        assert_eq!(names(&words["properties"]), ["headline", "lead", "sold_out"]);
        for (name, by_language) in words["properties"].as_object().unwrap() {
            assert_eq!(by_language["additionalProperties"], json!(false), "{name}");
            let text = by_language["patternProperties"].as_object().unwrap().values().next();
            let text = text.unwrap();
            assert_eq!(&text["pattern"], plain, "{name}");
            let most = usize::try_from(text["maxLength"].as_u64().unwrap()).unwrap();
            for (language, text, is_good) in [
                ("*", "x".repeat(most), true),
                ("ar", "x".repeat(most), true),
                ("de", "x".repeat(most + 1), false),
                ("xx", "text".into(), false),
                ("de", " text".into(), false),
                ("de", "te\u{7}xt".into(), false),
                ("de", String::new(), false),
            ] {
                let said =
                    shop.change(&sale, json!({ "words": { name: { language: text } } })).await;
                assert_eq!(said.status == 200, is_good, "{name} {language}: {}", said.text);
            }
        }
    }
    for bad in [" x", "x ", "\n", "a\u{7}b", "\u{85}x"] {
        let key = json!({ "name": bad, "role": "viewer" });
        assert_eq!(shop.tell("/keys", key).await.status, 422, "{bad:?}");
        assert_eq!(shop.change(&sale, json!({ "brand_name": bad })).await.status, 422, "{bad:?}");
    }
}

/// The schema says what is taken, to the edge: a client made from it sends nothing that is refused.
#[tokio::test]
async fn what_the_document_allows_is_taken_and_what_it_does_not_is_refused() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let shape = &document["components"]["schemas"]["ChangedSale"]["properties"];
    let sale = shop.sale(json!({})).await;
    let fields = shape.as_object().unwrap();
    assert!(fields.len() >= 16, "{fields:?}");
    for (name, field) in fields {
        let kinds = field["type"].as_array().cloned();
        let kinds = kinds.unwrap_or_else(|| vec![field["type"].clone()]);
        let null = shop.change(&sale, json!({ name: null })).await;
        assert_eq!(
            null.status == 200,
            kinds.contains(&json!("null")),
            "{name}: null: {}",
            null.text
        );
        if kinds.contains(&json!("integer")) {
            let (least, most) = (field["minimum"].as_i64(), field["maximum"].as_i64());
            let (least, most) = (least.unwrap(), most.unwrap());
            for (value, is_good) in
                [(json!(least), true), (json!(most), true), (json!(most as f64), true)]
                    .into_iter()
                    .chain([(json!(least - 1), false), (json!(most + 1), false)])
            {
                let said = shop.change(&sale, json!({ name: value })).await;
                assert_eq!(said.status == 200, is_good, "{name}: {value}: {}", said.text);
            }
        }
    }
}

/// A change of the contract is seen in review, and clients are generated from a file.
#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let committed = include_str!("../../../openapi.json");
    let served = format!("{:#}\n", ropeline::web::openapi());
    assert!(
        committed == served,
        "openapi.json is not up to date: run `make openapi`, and commit it"
    );
}

/// The media types of a call's body and answers, each with the example or the examples that it has.
fn media(call: &Value) -> Vec<(String, &Value, Vec<&Value>)> {
    let mut found = Vec::new();
    let body = [("request".to_owned(), &call["requestBody"])];
    let answers = call["responses"].as_object().into_iter().flatten();
    let answers = answers.map(|(status, answer)| (status.clone(), answer));
    for (name, part) in body.into_iter().chain(answers) {
        for (_, media) in part["content"].as_object().into_iter().flatten() {
            let one = media.get("example").into_iter();
            let named = media["examples"].as_object().into_iter().flatten();
            let all = one.chain(named.map(|(_, example)| &example["value"])).collect();
            found.push((name.clone(), media, all));
        }
    }
    found
}

/// `clients/examples.py` holds them against their schemas.
#[test]
fn every_request_and_every_answer_has_an_example() {
    let document = ropeline::web::openapi();
    let mut without = Vec::new();
    let mut examined = 0;
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            for (part, _, examples) in media(call) {
                examined += examples.len();
                if examples.is_empty() || examples.contains(&&Value::Null) {
                    without.push(format!("{method} {path}, {part}"));
                }
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
    assert!(examined > 300, "{examined}");
}

/// A client learns from the reference every code that a call names.
#[test]
fn every_problem_that_a_call_names_has_an_example() {
    let document = ropeline::web::openapi();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let description = call["description"].as_str().unwrap_or_default();
            for code in
                description.split('`').skip(1).step_by(2).filter(|word| CODES.contains(word))
            {
                let examples = media(call).into_iter().flat_map(|(_, _, examples)| examples);
                let is_shown = examples.into_iter().any(|example| example["code"] == code);
                assert!(is_shown, "{method} {path}: {code}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_and_the_viewer_are_compressed_and_have_a_tag() {
    let shop = Shop::open().await;
    let docs = shop.get("/docs").await.text;
    let files = docs.split('"').filter(|text| text.starts_with("/assets/"));
    let paths: Vec<&str> = files.chain(["/openapi.json"]).collect();
    assert_eq!(paths.len(), 3, "{docs}");
    for path in paths {
        let ask = || shop.request(reqwest::Method::GET, path);
        let plain = Answer::of(ask()).await;
        assert_eq!((plain.status.as_u16(), plain.header("content-encoding")), (200, ""), "{path}");
        let small = ask().header("accept-encoding", "br, gzip").send().await.unwrap();
        assert_eq!(small.headers()["content-encoding"], "gzip", "{path}");
        let size = small.bytes().await.unwrap().len();
        assert!(size * 3 < plain.text.len(), "{path}: {size} of {}", plain.text.len());
        let tag = plain.header("etag").to_owned();
        let again = Answer::of(ask().header("if-none-match", &tag)).await;
        assert_eq!((again.status.as_u16(), again.text.len()), (304, 0), "{path}");
    }
}
