//! The laws of what is private, for the targets in `fuzz`. There is none of it without `--cfg fuzzing`.

#![allow(missing_docs)]

pub fn file_record(data: &[u8]) {
    crate::stores::file::laws::content(data);
}
