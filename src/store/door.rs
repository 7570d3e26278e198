//! The door of the store: whatever goes in is masked, and follows its schema.

use serde::Serialize;
use serde_json::Value;

use crate::masking::Masker;
use crate::schema::{self, SchemaKind};

use super::StoreError;

/// Names of fields whose text is an identifier of ours. Masking one would part it from what it names.
const IDENTIFIERS: [&str; 6] = ["schema", "run_id", "task_id", "kind", "at", "status"];

/// The document as it is stored: masked, and valid.
pub(super) fn document<T: Serialize>(
    masker: &Masker,
    kind: SchemaKind,
    what: impl FnOnce() -> String,
    document: &T,
) -> Result<String, StoreError> {
    let mut value = serde_json::to_value(document).map_err(|error| {
        StoreError::corrupt(format!("{} cannot be written as JSON: {error}", kind.name()))
    })?;
    mask_value(masker, &mut value);
    schema::validate_value(kind, &value)
        .map_err(|violations| StoreError::Invalid { what: what(), violations })?;
    Ok(value.to_string())
}

/// Masks every text in `value`, except identifiers.
pub(super) fn mask_value(masker: &Masker, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(masked) = masker.mask(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(masker, item)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if !(field.is_string() && IDENTIFIERS.contains(&name.as_str())) {
                    mask_value(masker, field);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
