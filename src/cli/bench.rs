use crate::error::Result;
#[derive(clap::Args)]
pub struct BenchSettings {}
pub fn run(_settings: &BenchSettings) -> Result<()> {
    todo!()
}
