//! Owns what a shopper is told of a sale before joining, and whether Join is offered: one table of the sale's
//! status, its stock and its line. The API names the row by `offer` and `joins`, the page shows the sentences of
//! the row, and the page's script is given every row of the status and picks one by what the API says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::{Status, Stock};

/// What can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Something is free. Where the sale hides its stock: free or held.
    Units,
    /// Nothing is free, and something that is held may come back.
    AllHeld,
    /// Nothing is free and nothing may come back: not added yet, withdrawn, or sold.
    Nothing,
}

impl Offer {
    pub const ALL: [Self; 3] = [Self::Units, Self::AllHeld, Self::Nothing];

    pub fn of(stock: Stock, is_hidden: bool) -> Self {
        match (stock.available() > 0, stock.held > 0) {
            (true, _) => Self::Units,
            (false, true) if is_hidden => Self::Units,
            (false, true) => Self::AllHeld,
            (false, false) => Self::Nothing,
        }
    }

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::AllHeld => "all_held",
            Self::Nothing => "nothing",
        }
    }
}

/// What becomes of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joins {
    Taken,
    /// Refused until somebody leaves the line or is let in.
    LineFull,
    /// The sale is sold out or closed.
    Over,
}

impl Joins {
    pub const ALL: [Self; 3] = [Self::Taken, Self::LineFull, Self::Over];

    pub fn of(status: Status, waiting: u64, most: i32) -> Self {
        match status {
            Status::SoldOut | Status::Closed => Self::Over,
            Status::Scheduled | Status::Open | Status::Paused
                if waiting >= u64::from(most.unsigned_abs()) =>
            {
                Self::LineFull
            }
            Status::Scheduled | Status::Open | Status::Paused => Self::Taken,
        }
    }

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::LineFull => "line_full",
            Self::Over => "over",
        }
    }
}

/// The button, among the sentences.
pub const JOIN: &str = "join";

/// The sentences of one row, by the names of their messages and in their order; [`JOIN`] where it is offered.
pub fn row(status: Status, knows_start: bool, offer: Offer, joins: Joins) -> Vec<&'static str> {
    let is_taken = joins == Joins::Taken;
    let mut told = Vec::new();
    match status {
        Status::Scheduled if knows_start => told.push("starts-on"),
        Status::Scheduled => told.push("start-not-set"),
        Status::Open if offer == Offer::Units && is_taken => told.push("sale-open"),
        Status::Open => {}
        Status::Paused => told.push("sale-paused"),
        Status::SoldOut => return vec!["sale-sold-out"],
        Status::Closed => return vec!["sale-closed"],
    }
    match (status, offer) {
        (Status::Scheduled, _) | (_, Offer::Units) => {}
        (_, Offer::AllHeld) => told.push("all-held"),
        (_, Offer::Nothing) => told.push("no-units"),
    }
    match (joins, status) {
        (Joins::Taken, Status::Scheduled) if knows_start => told.push("join-before-start"),
        (Joins::Taken, Status::Scheduled) => told.push("join-before-open"),
        (Joins::Taken, Status::Paused) => told.push("join-while-paused"),
        (Joins::Taken, _) | (Joins::Over, _) => {}
        (Joins::LineFull, _) => told.push("line-full"),
    }
    if is_taken {
        told.push(JOIN);
    }
    told
}

/// What names a row of a status, for the script.
pub fn name(offer: Offer, joins: Joins) -> String {
    format!("{} {}", offer.as_str(), joins.as_str())
}

/// Every row of a status by its name, as JSON.
pub fn rows(status: Status, knows_start: bool) -> String {
    let mut rows = Map::new();
    for offer in Offer::ALL {
        for joins in Joins::ALL {
            rows.insert(name(offer, joins), json!(row(status, knows_start, offer, joins)));
        }
    }
    Value::Object(rows).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, as it is meant.
    const TABLE: &str = "
        scheduled+start *        taken     | starts-on join-before-start join
        scheduled+start *        line_full | starts-on line-full
        scheduled       *        taken     | start-not-set join-before-open join
        scheduled       *        line_full | start-not-set line-full
        open            units    taken     | sale-open join
        open            units    line_full | line-full
        open            all_held taken     | all-held join
        open            all_held line_full | all-held line-full
        open            nothing  taken     | no-units join
        open            nothing  line_full | no-units line-full
        paused          units    taken     | sale-paused join-while-paused join
        paused          units    line_full | sale-paused line-full
        paused          all_held taken     | sale-paused all-held join-while-paused join
        paused          all_held line_full | sale-paused all-held line-full
        paused          nothing  taken     | sale-paused no-units join-while-paused join
        paused          nothing  line_full | sale-paused no-units line-full
        sold_out        *        *         | sale-sold-out
        closed          *        *         | sale-closed";

    const ALL: [Status; 5] =
        [Status::Scheduled, Status::Open, Status::Paused, Status::SoldOut, Status::Closed];

    #[test]
    fn the_table_is_as_it_is_meant_for_every_status_stock_and_line() {
        let meant: Vec<Vec<&str>> = TABLE
            .lines()
            .filter(|line| line.contains('|'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let mut used = vec![false; meant.len()];
        for status in ALL {
            for knows_start in [true, false] {
                let is_scheduled = status == Status::Scheduled;
                let start = if is_scheduled && knows_start { "+start" } else { "" };
                let status_word = format!("{}{start}", status.as_str());
                for offer in Offer::ALL {
                    // What a sale can be: joins are over when it is.
                    let is_over = matches!(status, Status::SoldOut | Status::Closed);
                    for joins in Joins::ALL.into_iter().filter(|it| (*it == Joins::Over) == is_over)
                    {
                        let fits = |said: &str, word: &str| said == "*" || said == word;
                        let at = meant.iter().position(|row| {
                            row[0] == status_word
                                && fits(row[1], offer.as_str())
                                && fits(row[2], joins.as_str())
                        });
                        let at = at.unwrap_or_else(|| panic!("{status_word} {offer:?} {joins:?}"));
                        used[at] = true;
                        let told = row(status, knows_start, offer, joins);
                        assert_eq!(told, meant[at][4..], "{status_word} {offer:?} {joins:?}");
                    }
                }
            }
        }
        assert!(used.iter().all(|it| *it), "every line of the table is met: {used:?}");
    }

    #[test]
    fn what_is_on_offer_follows_from_the_stock() {
        let stock = |held, sold, withdrawn| Stock { seeded: 10, held, sold, withdrawn };
        let cases = [
            (Stock::default(), Offer::Nothing, Offer::Nothing),
            (stock(0, 0, 0), Offer::Units, Offer::Units),
            (stock(0, 0, 10), Offer::Nothing, Offer::Nothing),
            (stock(4, 6, 0), Offer::AllHeld, Offer::Units),
            (stock(1, 0, 9), Offer::AllHeld, Offer::Units),
            (stock(0, 4, 6), Offer::Nothing, Offer::Nothing),
            (stock(3, 3, 3), Offer::Units, Offer::Units),
        ];
        for (stock, shown, hidden) in cases {
            assert_eq!(Offer::of(stock, false), shown, "{stock:?}");
            assert_eq!(Offer::of(stock, true), hidden, "{stock:?}");
        }
        assert_eq!(Joins::of(Status::Open, 9, 10), Joins::Taken);
        assert_eq!(Joins::of(Status::Paused, 10, 10), Joins::LineFull);
        assert_eq!(Joins::of(Status::SoldOut, 10, 10), Joins::Over);
        assert_eq!(Joins::of(Status::Closed, 0, 10), Joins::Over);
    }
}
