//! Pipelines as data.
pub struct Template;
pub const TEMPLATES: &[(&str, &str)] = &[];
