//! Owns a form as it is shown: its values, and what is wrong with them, next to the field.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The values and faults of one form. `name` keeps the ids of its fields apart from those of other
/// forms on the page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    name: &'static str,
    values: BTreeMap<String, String>,
    errors: BTreeMap<String, String>,
    /// Prints of the saved values that the page shows, which the form sends back.
    shown: BTreeMap<String, String>,
    /// Fields with a question: the value is taken once the person says yes.
    questions: Vec<String>,
}

/// Before the name of a field, in the name of the hidden field with the print of the value that was shown.
const WAS: &str = "was.";

/// What a person did to a form of settings, held against the settings as they are now.
pub struct Merged {
    /// The form to show again: what was typed, and the newest values of the fields that were not touched.
    pub form: Form,
    /// The fields that the person changed, with what was typed.
    pub changed: Vec<(String, String)>,
    /// Changed by this person and by somebody else since the page was made: field, typed, saved now.
    pub clashes: Vec<(String, String, String)>,
}

/// A short print of a value. A browser sends line ends in its own way.
fn print_of(text: &str) -> String {
    let digest = Sha256::digest(plain(text).as_bytes());
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn plain(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
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
        Self { name, values, ..Self::default() }
    }

    /// A form of settings with the values that are saved now. It remembers which ones it showed.
    pub fn saved<K, V>(name: &'static str, values: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut form = Self::new(name, values);
        form.shown = form.values.iter().map(|(f, value)| (f.clone(), print_of(value))).collect();
        form
    }

    /// Holds a posted form against this one, which has the values that are saved now. A field that was sent
    /// back as it was shown is not the person's change. A page that does not say what it showed changes every
    /// field that it has.
    pub fn merged(&self, posted: &[(String, String)]) -> Merged {
        let sent = |name: &str| {
            posted.iter().find(|(field, _)| field == name).map(|(_, text)| plain(text))
        };
        let mut merged = Merged { form: self.clone(), changed: Vec::new(), clashes: Vec::new() };
        for (field, saved) in &self.values {
            let was = sent(&format!("{WAS}{field}"));
            // A box that is not ticked is not sent. Other fields are not there when the page has no use for them.
            let is_box = was.is_some() && ["true", "false"].contains(&saved.as_str());
            let unticked = is_box.then(|| "false".to_owned());
            let Some(typed) = sent(field).or(unticked) else { continue };
            if typed == plain(saved) || was.as_ref().is_some_and(|was| *was == print_of(&typed)) {
                continue;
            }
            merged.form.values.insert(field.clone(), typed.clone());
            if was.is_none_or(|was| was == print_of(saved)) {
                merged.changed.push((field.clone(), typed));
            } else {
                merged.clashes.push((field.clone(), typed, saved.clone()));
            }
        }
        merged
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

    /// The form after a refusal: one of settings as `merged` has it, another one with what was posted.
    pub fn again(&self, posted: &[(String, String)]) -> Self {
        if self.shown.is_empty() {
            return Self::new(self.name, posted.to_vec());
        }
        let Merged { mut form, clashes, .. } = self.merged(posted);
        form.values.extend(clashes.into_iter().map(|(field, typed, _)| (field, typed)));
        form
    }

    /// Asks whether a field's value is meant, and says why.
    pub fn ask(&mut self, field: &str, why: &str) {
        self.fail(field, why);
        self.questions.push(field.to_owned());
    }

    pub(crate) fn asks(&self, field: &str) -> bool {
        self.questions.iter().any(|asked| asked == field)
    }

    /// The hidden fields that say what the page showed: names and prints.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (String, &str)> {
        self.shown.iter().map(|(field, print)| (format!("{WAS}{field}"), print.as_str()))
    }

    pub(crate) fn id(&self, field: &str) -> String {
        format!("{}-{field}", self.name)
    }

    pub(crate) fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    /// Whether a checkbox is ticked: an unticked one is not posted at all.
    pub(crate) fn checked(&self, field: &str) -> bool {
        self.value(field) == "true"
    }

    pub(crate) fn error(&self, field: &str) -> Option<&str> {
        self.errors.get(field).map(String::as_str)
    }

    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser sends of a form that a person has changed.
    fn sent(form: &Form, changed: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut sent: Vec<_> = form.shown().map(|(name, p)| (name, p.to_owned())).collect();
        for (field, value) in &form.values {
            let typed = changed.iter().find(|(name, _)| name == field);
            sent.push((field.clone(), typed.map_or(value.as_str(), |(_, text)| text).to_owned()));
        }
        sent
    }

    #[test]
    fn an_old_form_changes_what_its_person_changed_and_nothing_else() {
        let first = Form::saved("f", [("start", "12:00"), ("most", "10"), ("text", "a\nb")]);
        let older = sent(&first, &[("most", "20")]);
        let now = Form::saved("f", [("start", "15:00"), ("most", "10"), ("text", "a\nb")]);
        let merged = now.merged(&older);
        assert_eq!(merged.changed, [("most".to_owned(), "20".to_owned())]);
        assert!(merged.clashes.is_empty());
        assert_eq!(merged.form.value("start"), "15:00", "the newest value is shown");
        assert_eq!(merged.form.value("most"), "20", "what was typed is kept");
    }

    #[test]
    fn a_field_that_both_changed_clashes_until_it_is_sent_again() {
        let first = Form::saved("f", [("most", "10")]);
        let older = sent(&first, &[("most", "20")]);
        let now = Form::saved("f", [("most", "30")]);
        let merged = now.merged(&older);
        assert!(merged.changed.is_empty());
        assert_eq!(merged.clashes, [("most".to_owned(), "20".to_owned(), "30".to_owned())]);
        let again = now.merged(&sent(&merged.form, &[]));
        assert_eq!(again.changed, [("most".to_owned(), "20".to_owned())]);
        let same = Form::saved("f", [("most", "20")]).merged(&older);
        assert!(same.changed.is_empty() && same.clashes.is_empty(), "both want the same");
    }

    #[test]
    fn boxes_and_line_ends_are_read_as_browsers_send_them() {
        let form = Form::saved("f", [("hide", "true"), ("text", "a\nb")]);
        let mut posted = sent(&form, &[("text", "a\r\nb")]);
        assert!(form.merged(&posted).changed.is_empty());
        posted.retain(|(name, _)| name != "hide");
        assert_eq!(form.merged(&posted).changed, [("hide".to_owned(), "false".to_owned())]);
        assert!(form.merged(&[]).changed.is_empty(), "a field that is not there is not changed");
        let prints: Vec<_> = form.shown().map(|(name, print)| (name, print.to_owned())).collect();
        assert_eq!(form.merged(&prints).changed.len(), 1, "only the box is read as unticked");
    }
}
