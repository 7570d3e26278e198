//! Finding the format of a plan: by its path first, then by what stands in it.

use super::formats::Format;
use super::outline::Outline;

/// The format of a text, and the signs that decided.
pub(crate) fn recognise(outline: &Outline<'_>, path: Option<&str>) -> (Format, String) {
    let path = path.unwrap_or("").replace('\\', "/");
    if let Some(found) = super::formats::strong_signs(outline) {
        return found;
    }
    if path.contains(".kiro/") {
        return (Format::Kiro, "its path has `.kiro/`".to_owned());
    }
    if let Some(found) = super::formats::signs(outline, &path) {
        return found;
    }
    (Format::Generic, "no signs of another format".to_owned())
}
