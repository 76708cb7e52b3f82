//! Every Redis key, in one place. The braces keep one sale in one cluster slot.

use crate::model::SaleId;

pub fn ctl(sale: SaleId) -> String {
    format!("ropeline:{{{sale}}}:ctl")
}
pub fn queue(sale: SaleId) -> String {
    format!("ropeline:{{{sale}}}:queue")
}
pub fn tokens(sale: SaleId) -> String {
    format!("ropeline:{{{sale}}}:tokens")
}
pub fn guard(sale: SaleId) -> String {
    format!("ropeline:{{{sale}}}:guard")
}
pub fn feed(sale: SaleId) -> String {
    format!("ropeline:{{{sale}}}:feed")
}
/// The same keys while a rebuild fills them. Each attempt has its own, so that two can never mix.
pub fn next(key: &str, attempt: u32) -> String {
    format!("{key}:next:{attempt:08x}")
}
/// Two keys of a self-check, in one slot and with a number of their own: nobody else has them.
pub fn scratch(id: u32) -> String {
    format!("ropeline:{{check:{id:08x}}}:scratch")
}
pub fn spare(id: u32) -> String {
    format!("ropeline:{{check:{id:08x}}}:spare")
}
