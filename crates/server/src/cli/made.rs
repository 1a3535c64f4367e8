//! What a command has made, as it is printed: lines with labels for people, or a JSON object for scripts.

use serde_json::{Map, Value};

/// Values with the label that a person reads and the key that a script asks for.
pub(crate) struct Made(Vec<(&'static str, &'static str, String)>);

impl Made {
    pub(crate) fn one(label: &'static str, key: &'static str, value: impl Into<String>) -> Self {
        Self(vec![(label, key, value.into())])
    }

    pub(crate) fn and(mut self, label: &'static str, key: &'static str, value: impl Into<String>) -> Self {
        self.0.push((label, key, value.into()));
        self
    }

    /// As text, a single value stands alone: a shell can take it as it is.
    pub(crate) fn print(&self, as_json: bool) -> String {
        if as_json {
            let pairs = self.0.iter().map(|(_, key, value)| ((*key).to_owned(), Value::from(value.as_str())));
            return Value::from(pairs.collect::<Map<_, _>>()).to_string();
        }
        if let [(_, _, value)] = &self.0[..] {
            return value.clone();
        }
        let width = self.0.iter().map(|(label, ..)| label.len()).max().unwrap_or_default() + 1;
        let lines = self.0.iter().map(|(label, _, value)| format!("{:width$} {value}", format!("{label}:")));
        lines.collect::<Vec<_>>().join("\n")
    }
}
