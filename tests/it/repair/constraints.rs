//! What the schema refuses, whoever asks: a gateway with a bug, a Redis that was rolled back, a hand in psql.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;

use crate::support::book::Book;

/// A statement, and the constraint that is to refuse it. `{sale}` and the rest stand for what is there:
/// unit 1 is held, 2 is sold, 3 was released; unit 9 was never seeded. `{hold}` has unit, ticket and state
/// to be filled in.
const REFUSED: &[(&str, &str)] = &[
    // Never oversold.
    ("holds_unit_owned_once", "{hold} 1, gen_random_uuid(), 'active', NULL)"),
    ("holds_unit_owned_once", "{hold} 2, gen_random_uuid(), 'active', NULL)"),
    ("holds_unit_seeded", "{hold} 9, gen_random_uuid(), 'active', NULL)"),
    ("withdrawn_units_free", "INSERT INTO withdrawn_units (sale_id, unit_no) VALUES ('{sale}', 1)"),
    ("withdrawn_units_free", "INSERT INTO withdrawn_units (sale_id, unit_no) VALUES ('{sale}', 2)"),
    (
        "holds_unit_not_withdrawn",
        "INSERT INTO withdrawn_units (sale_id, unit_no) VALUES ('{sale}', 5);
         {hold} 5, gen_random_uuid(), 'active', NULL)",
    ),
    ("sales_stock_rises", "UPDATE sales SET stock = 4"),
    ("holds_unit_positive", "{hold} 0, gen_random_uuid(), 'active', NULL)"),
    (
        "orders_unit_sold_once",
        "{order} {held}, gen_random_uuid(), '{sale}', 2, gen_random_uuid(), NULL, now())",
    ),
    // A ticket is admitted once, ever.
    (
        "holds_ticket_once",
        "{hold} 4, (SELECT ticket FROM holds WHERE unit_no = 3), 'active', NULL)",
    ),
    // Only active → confirmed | released | expired.
    ("holds_begin_active", "{hold} 4, gen_random_uuid(), 'confirmed', now())"),
    ("holds_final", "UPDATE holds SET state = 'active', ended_at = NULL WHERE unit_no = 3"),
    ("holds_final", "UPDATE holds SET state = 'released' WHERE unit_no = 2"),
    (
        "holds_final",
        "UPDATE holds SET expires_at = expires_at + interval '1 hour' WHERE unit_no = 2",
    ),
    ("holds_fixed", "UPDATE holds SET unit_no = 4 WHERE unit_no = 1"),
    ("holds_fixed", "UPDATE holds SET ticket = gen_random_uuid() WHERE unit_no = 1"),
    ("holds_kept", "DELETE FROM holds WHERE unit_no = 1"),
    ("holds_kept", "TRUNCATE holds CASCADE"),
    ("holds_state_known", "UPDATE holds SET state = 'lost', ended_at = now() WHERE unit_no = 1"),
    ("holds_ended_iff_final", "UPDATE holds SET state = 'released' WHERE unit_no = 1"),
    ("holds_ended_iff_final", "UPDATE holds SET ended_at = now() WHERE unit_no = 1"),
    (
        "holds_expired_when_due",
        "UPDATE holds SET state = 'expired', ended_at = now() WHERE unit_no = 1",
    ),
    ("holds_window_positive", "UPDATE holds SET expires_at = admitted_at WHERE unit_no = 1"),
    // An order stays.
    ("orders_kept", "UPDATE orders SET payment_reference = 'another'"),
    ("orders_kept", "DELETE FROM orders"),
    ("orders_kept", "TRUNCATE orders"),
    (
        "orders_id_unique",
        "{order} {held}, (SELECT id FROM orders), '{sale}', 1, gen_random_uuid(), NULL, now())",
    ),
    (
        "orders_reference_length",
        "{order} {held}, gen_random_uuid(), '{sale}', 1, gen_random_uuid(), '', now())",
    ),
    // Payment references stay, and are resolved once.
    ("payment_references_once", "{paid} 'pi_2', 'duplicate', {sold}, NULL)"),
    ("payment_references_length", "{paid} '', 'duplicate', {sold}, NULL)"),
    ("payment_references_kind_known", "{paid} 'pi_3', 'lost', {sold}, NULL)"),
    ("payment_references_ended_iff_no_order", "{paid} 'pi_3', 'ended', {sold}, NULL)"),
    ("payment_references_ended_iff_no_order", "{paid} 'pi_3', 'duplicate', NULL, NULL)"),
    ("payment_references_reused_names_orders", "{paid} 'pi_3', 'reused', {sold}, NULL)"),
    ("payment_references_resolved_whole", "{paid} 'pi_3', 'duplicate', {sold}, now())"),
    (
        "payment_references_note_length",
        "UPDATE payment_references SET resolved_at = now(), resolved_by = 'ana', note = ''",
    ),
    ("payment_references_kept", "DELETE FROM payment_references"),
    ("payment_references_kept", "TRUNCATE payment_references"),
    ("payment_references_fixed", "UPDATE payment_references SET reference = 'another'"),
    ("payment_references_fixed", "UPDATE payment_references SET kind = 'added'"),
    (
        "payment_references_fixed",
        "UPDATE payment_references SET resolved_at = now(), resolved_by = 'ana', note = 'done';
         UPDATE payment_references SET note = 'undone'",
    ),
    // The journal.
    ("joins_seq_unique", "{join} gen_random_uuid(), 1, 'waiting', NULL)"),
    ("joins_numberless_not_admitted", "{join} gen_random_uuid(), 0, 'admitted', now())"),
    ("joins_state_known", "{join} gen_random_uuid(), 99, 'lost', now())"),
    ("joins_ended_iff_final", "{join} gen_random_uuid(), 99, 'waiting', now())"),
    ("joins_ended_iff_final", "UPDATE joins SET state = 'left' WHERE seq = 1"),
    // The sale.
    (
        "sales_slug_unique",
        "{like} 'book', 'A sale', 'open', 0, 0, 1, 10, 1, 0, 'shop', false, 1 FROM sales",
    ),
    (
        "sales_slug_not_former",
        "UPDATE sales SET slug = 'another';
         {like} 'book', 'A sale', 'open', 0, 0, 1, 10, 1, 0, 'shop', false, 1 FROM sales",
    ),
    ("sales_archived_is_closed", "UPDATE sales SET archived_at = now()"),
    ("sales_closing_whole", "UPDATE sales SET closes_at = now(), state = 'paused'"),
    (
        "sales_closing_from_known",
        "UPDATE sales SET closes_at = now(), closing_from = 'closed', state = 'paused'",
    ),
    ("sales_closing_not_open", "UPDATE sales SET closes_at = now(), closing_from = 'open'"),
    ("sales_slug_form", "UPDATE sales SET slug = 'Not a slug'"),
    ("sales_name_length", "UPDATE sales SET name = ''"),
    ("sales_state_known", "UPDATE sales SET state = 'lost'"),
    ("sales_stock_range", "UPDATE sales SET stock = 10000001"),
    ("sales_epoch_range", "UPDATE sales SET epoch = 8192"),
    ("sales_served_epoch_range", "UPDATE sales SET served_epoch = epoch + 1"),
    ("sales_ends_after_start", "UPDATE sales SET starts_at = now(), ends_at = now()"),
    ("sales_batch_size_range", "UPDATE sales SET batch_size = 101"),
    ("sales_interval_range", "UPDATE sales SET admit_interval_ms = 9"),
    ("sales_in_checkout_range", "UPDATE sales SET max_in_checkout = 0"),
    ("sales_window_range", "UPDATE sales SET checkout_window_seconds = 0"),
    ("sales_grace_range", "UPDATE sales SET expiry_grace_seconds = -1"),
    ("sales_checkout_known", "UPDATE sales SET checkout = 'barter'"),
    ("sales_max_waiting_range", "UPDATE sales SET max_waiting = 0"),
    ("sales_notice_length", "UPDATE sales SET notice = ''"),
    ("sales_brand_object", "UPDATE sales SET brand = '[]'"),
    (
        "sales_brand_size",
        "UPDATE sales SET brand = jsonb_build_object('picture', repeat('x', 65536))",
    ),
    ("sales_sold_out_has_seq", "UPDATE sales SET sold_out_at = now()"),
    ("sales_closed_iff_state", "UPDATE sales SET state = 'closed'"),
    ("sales_closed_iff_state", "UPDATE sales SET closed_at = now()"),
    (
        "doubtful_numbers_in_order",
        "INSERT INTO doubtful_numbers (sale_id, epoch, first, last) VALUES ('{sale}', 1, 2, 1)",
    ),
    // A place on another device.
    ("moves_link_unique", "{move} 0, '\\x01', NULL), {another} 0, '\\x01', NULL)"),
    ("moves_generation_positive", "{move} -1, '\\x01', NULL)"),
    ("moves_moved_iff_rises", "{move} 1, '\\x01', NULL)"),
    ("moves_moved_iff_rises", "{move} 0, '\\x01', now())"),
    ("moves_generation_rises", "{move} 1, '\\x01', now()); UPDATE moves SET generation = 0"),
    // Accounts, keys and sessions.
    ("operators_name_length", "{operator} '', 'owner', '', 'test')"),
    ("operators_role_known", "{operator} 'ana', 'checkout', '', 'test')"),
    (
        "operators_name_unique",
        "{operator} 'ana', 'owner', '', 'test'), (gen_random_uuid(), 'Ana', 'viewer', '', 'test')",
    ),
    ("api_keys_name_length", "{key} '', 'viewer', decode(repeat('ab', 32), 'hex'))"),
    ("api_keys_role_known", "{key} 'till', 'nobody', decode(repeat('ab', 32), 'hex'))"),
    ("api_keys_digest_length", "{key} 'till', 'viewer', '\\xab')"),
    (
        "api_keys_digest_unique",
        "{key} 'till', 'viewer', decode(repeat('ab', 32), 'hex'));
         {key} 'other', 'viewer', decode(repeat('ab', 32), 'hex'))",
    ),
    (
        "api_keys_name_unique",
        "{key} 'till', 'viewer', decode(repeat('ab', 32), 'hex'));
         {key} 'Till', 'viewer', decode(repeat('cd', 32), 'hex'))",
    ),
    ("sessions_of_one", "{session} decode(repeat('ab', 32), 'hex'), gen_random_uuid(), NULL)"),
    ("sessions_digest_length", "{session} '\\xab', gen_random_uuid(), 'mark')"),
    (
        "sessions_id_unique",
        "{session} decode(repeat('ab', 32), 'hex'), '{sale}', 'mark');
         {session} decode(repeat('cd', 32), 'hex'), '{sale}', 'mark')",
    ),
    // What was shown.
    ("shown_place_known", "{shown} 4, NULL, NULL, NULL)"),
    ("shown_range_whole", "{shown} 0, 1, NULL, NULL)"),
    ("shown_chance_range", "{shown} 0, NULL, NULL, 1.1)"),
    ("deployment_only_row_check", "INSERT INTO deployment (only_row) VALUES (false)"),
    ("sweeper_heartbeat_outages", "UPDATE sweeper_heartbeat SET outages_us = -1"),
    ("sweeper_heartbeat_only_row_check", "INSERT INTO sweeper_heartbeat (only_row) VALUES (false)"),
];

/// Named by the triggers, which the catalogue does not list.
const BY_TRIGGER: &[&str] = &[
    "sales_slug_not_former",
    "holds_unit_seeded",
    "holds_unit_not_withdrawn",
    "withdrawn_units_free",
    "sales_stock_rises",
    "holds_begin_active",
    "holds_final",
    "holds_fixed",
    "holds_kept",
    "orders_kept",
    "moves_generation_rises",
    "payment_references_kept",
    "payment_references_fixed",
];

#[tokio::test]
async fn a_hand_in_psql_can_break_no_promise_about_units() {
    let book = furnished().await;
    let before = facts(&book).await;
    for (constraint, statement) in REFUSED {
        let sql = written(&book, statement);
        let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&book.sql).await;
        let Err(sqlx::Error::Database(error)) = done else {
            panic!("not refused: {sql}: {done:?}")
        };
        assert_eq!(error.constraint(), Some(*constraint), "{sql}: {error}");
    }
    assert_eq!(facts(&book).await, before, "nothing of it was done");
}

#[tokio::test]
async fn every_constraint_of_the_schema_is_put_to_the_test() {
    let book = Book::open(0).await;
    let named: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
         WHERE c.contype IN ('c', 'u') AND c.connamespace = 'public'::regnamespace
           AND t.relname <> '_sqlx_migrations'
         UNION
         SELECT relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&book.sql)
    .await
    .unwrap();
    let schema: BTreeSet<&str> =
        named.iter().map(String::as_str).chain(BY_TRIGGER.iter().copied()).collect();
    let tested: BTreeSet<&str> = REFUSED.iter().map(|(constraint, _)| *constraint).collect();
    assert_eq!(schema, tested);
}

/// A sale with a held unit, a sold one and one that was given back.
async fn furnished() -> Book {
    let book = Book::open(5).await;
    book.join([1]).await;
    book.hold(1, &[1]).await;
    let sold = book.hold(2, &[2]).await.remove(0);
    let returned = book.hold(3, &[3]).await.remove(0);
    let mut tx = book.ledger.begin().await.unwrap();
    tx.confirm(sold.id, Some("pi_1")).await.unwrap();
    tx.confirm(sold.id, Some("pi_2")).await.unwrap();
    tx.release(returned.id).await.unwrap();
    tx.commit().await.unwrap();
    book
}

fn written(book: &Book, statement: &str) -> String {
    let hold = format!(
        "INSERT INTO holds (id, sale_id, seq, epoch, batch_n, admitted_at, expires_at, unit_no, ticket,
                            state, ended_at)
         VALUES (gen_random_uuid(), '{}', 77, 1, 1, now(), now() + interval '1 hour',",
        book.sale
    );
    let a_move = format!("'{}', gen_random_uuid(), now(),", book.sale);
    statement
        .replace("{hold}", &hold)
        .replace(
            "{order}",
            "INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
             VALUES (",
        )
        .replace(
            "{paid}",
            &format!(
                "INSERT INTO payment_references (by_shop, seen_by, sale_id, hold_id, reference, kind, order_id,
                                                 resolved_at)
                 VALUES (true, 'test', '{}', (SELECT id FROM holds WHERE unit_no = 2),",
                book.sale
            ),
        )
        .replace("{sold}", "(SELECT id FROM orders)")
        .replace("{held}", "(SELECT id FROM holds WHERE unit_no = 1)")
        .replace("{move}", &format!("INSERT INTO moves (sale_id, ticket, link_until, generation, link, moved_at) VALUES ({a_move}"))
        .replace("{another}", &format!("({a_move}"))
        .replace(
            "{operator}",
            "INSERT INTO operators (id, name, role, password_hash, created_by) VALUES (gen_random_uuid(),",
        )
        .replace(
            "{key}",
            "INSERT INTO api_keys (id, created_by, hint, name, role, digest)
             VALUES (gen_random_uuid(), 'test', 'rl_abc',",
        )
        .replace(
            "{session}",
            "INSERT INTO sessions (agent, expires_at, digest, id, admin_mark) VALUES ('', now(),",
        )
        .replace(
            "{shown}",
            &format!(
                "INSERT INTO shown (sale_id, slot, seq, position, place, eta_low, eta_high, chance)
                 VALUES ('{}', 1, 1, 1,",
                book.sale
            ),
        )
        .replace(
            "{join}",
            &format!("INSERT INTO joins (sale_id, ticket, seq, state, ended_at) VALUES ('{}',", book.sale),
        )
        .replace(
            "{like}",
            "INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
                                checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock,
                                max_waiting)
             SELECT gen_random_uuid(),",
        )
        .replace("{sale}", &book.sale.to_string())
}

/// All that the statements above tried to change.
async fn facts(book: &Book) -> String {
    sqlx::query_scalar(
        "SELECT concat((SELECT json_agg(s) FROM sales s), (SELECT json_agg(h ORDER BY seq) FROM holds h),
                       (SELECT json_agg(o) FROM orders o), (SELECT json_agg(j ORDER BY seq) FROM joins j),
                       (SELECT json_agg(p ORDER BY id) FROM payment_references p))",
    )
    .fetch_one(&book.sql)
    .await
    .unwrap()
}
