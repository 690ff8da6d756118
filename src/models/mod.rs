//! What a model's numbers mean.
pub fn find(_name: &str, _folder: Option<&std::path::Path>) -> crate::error::Result<std::path::PathBuf> { todo!() }
