//! The files of a folder as one text, so that what a run was made of can be hashed, kept and read again
//! as the text of any other plan.

use crate::plan::types::PlanFile;

/// How such a text begins.
const BEGINNING: &str = "orchestrate: the files of a folder\n";

/// Puts files together; where each ends is told by its length.
pub fn bundle(files: &[PlanFile]) -> Vec<u8> {
    let mut bytes = BEGINNING.as_bytes().to_vec();
    for file in files {
        // A name with a line break in it is no name of a plan, and must not pass for a header.
        let path = file.path.replace(['\n', '\r'], "?");
        bytes.extend_from_slice(format!("file {} {path}\n", file.bytes.len()).as_bytes());
        bytes.extend_from_slice(&file.bytes);
        bytes.push(b'\n');
    }
    bytes
}

/// Takes files apart that were put together; none: the bytes are something else.
pub fn unbundle(bytes: &[u8]) -> Option<Vec<PlanFile>> {
    let mut rest = bytes.strip_prefix(BEGINNING.as_bytes())?;
    let mut files = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let header = std::str::from_utf8(&rest[..end]).ok()?.strip_prefix("file ")?;
        let (length, path) = header.split_once(' ')?;
        let from = end + 1;
        let to = from.checked_add(length.parse().ok()?)?;
        let content = rest.get(from..to)?;
        files.push(PlanFile { path: path.to_owned(), bytes: content.to_vec() });
        rest = rest.get(to..)?.strip_prefix(b"\n")?;
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_apart_as_they_were() {
        let file = |path: &str, bytes: &[u8]| PlanFile { path: path.to_owned(), bytes: bytes.to_vec() };
        let files =
            vec![file("a - b.md", b"one\nfile 3 x\n"), file("tasks/c.md", b""), file("d", b"\xff\n\n")];
        assert_eq!(unbundle(&bundle(&files)), Some(files.clone()));
        assert_eq!(unbundle(&bundle(&[])), Some(Vec::new()));
        let whole = bundle(&files);
        for cut in BEGINNING.len() + 1..whole.len() {
            let read = unbundle(&whole[..cut]);
            assert!(read.is_none_or(|read| read.len() < files.len()), "{cut}");
        }
        assert_eq!(unbundle(b"# A plan\n"), None);
        let huge = format!("{BEGINNING}file 99999999999999999999 x\n");
        assert_eq!(unbundle(huge.as_bytes()), None);
        assert_eq!(unbundle(format!("{BEGINNING}file {} x\n", usize::MAX).as_bytes()), None);
    }
}
