//! Schemas made of the Rust types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// Whose words a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is read: what may be left out is optional, and unknown fields are refused where the
    /// type refuses them.
    Read,
    /// What is written: every field that is always there is required.
    Written,
}

/// The schema of `T` as the text of its file: draft 2020-12, indented, with a line's end.
pub fn derived<T: JsonSchema>(title: &str, side: Side) -> String {
    let settings = SchemaSettings::draft2020_12();
    let settings = match side {
        Side::Read => settings.for_deserialize(),
        Side::Written => settings.for_serialize(),
    };
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    format!(
        "{:#}
",
        schema.as_value()
    )
}
