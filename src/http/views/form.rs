//! Owns a form as it is shown: its values, and what is wrong with them, next to the field.

use std::collections::BTreeMap;

/// The values and faults of one form. `name` keeps the ids of its fields apart from those of other
/// forms on the page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    name: &'static str,
    values: BTreeMap<String, String>,
    errors: BTreeMap<String, String>,
}

impl Form {
    /// A form filled with these fields: defaults, or what was posted.
    pub fn new<K, V>(name: &'static str, values: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let values =
            values.into_iter().map(|(field, value)| (field.into(), value.into())).collect();
        Self { name, values, errors: BTreeMap::new() }
    }

    /// The form that creates a sale, with the defaults of the API; the checkout is the one that
    /// needs no shop.
    pub fn create() -> Self {
        let defaults = [
            ("batch_size", "100"),
            ("admit_interval_ms", "1000"),
            ("checkout_window_seconds", "600"),
            ("expiry_grace_seconds", "5"),
            ("max_waiting", "1000000"),
            ("checkout", "builtin"),
        ];
        Self::new("create", defaults)
    }

    /// Says what is wrong with a field.
    pub fn fail(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.errors.insert(field.into(), detail.into());
    }

    pub(super) fn id(&self, field: &str) -> String {
        format!("{}-{field}", self.name)
    }

    pub(super) fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    /// Whether a checkbox is ticked: an unticked one is not posted at all.
    pub(super) fn checked(&self, field: &str) -> bool {
        self.value(field) == "true"
    }

    pub(super) fn error(&self, field: &str) -> Option<&str> {
        self.errors.get(field).map(String::as_str)
    }

    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}
