//! Orders as CSV. Whatever a shopper typed, a reader of the line gives it back, and no cell begins a
//! formula.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::model::{HoldId, Order, OrderId, SaleId, Ticket};
use ropeline::web::fuzzing::csv_line;
use uuid::Uuid;

#[derive(Debug, Arbitrary)]
struct Input {
    ids: [u128; 4],
    unit: u32,
    second: u32,
    payment_reference: Option<String>,
}

fuzz_target!(|input: Input| {
    let [id, hold, sale, ticket] = input.ids.map(Uuid::from_u128);
    let order = Order {
        id: OrderId(id),
        hold: HoldId(hold),
        sale: SaleId(sale),
        unit: (input.unit >> 1).cast_signed(),
        ticket: Ticket(ticket),
        payment_reference: input.payment_reference.clone(),
        confirmed_at: Timestamp::from_second(input.second.into()).expect("a time"),
    };
    let line = csv_line(&order).expect("it is written to memory");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_ref());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 1);
    let cells: Vec<&str> = rows[0].iter().collect();
    let own = [order.id.to_string(), order.hold.to_string(), order.sale.to_string()];
    assert_eq!(cells[..3], own);
    assert_eq!(cells[3..5], [order.unit.to_string(), order.ticket.to_string()]);
    assert_eq!(cells[6], order.confirmed_at.to_string());
    let typed = input.payment_reference.unwrap_or_default();
    let shown = cells[5];
    assert!(shown == typed || shown.strip_prefix('\'') == Some(&typed), "{shown:?} for {typed:?}");
    for cell in cells {
        // What spreadsheets take for the beginning of a formula, with what they skip before it.
        let bare = cell.trim_start();
        assert!(!bare.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']), "{cell:?}");
        assert!(!cell.starts_with(['\t', '\r', '\n']), "{cell:?}");
    }
});
