use crate::error::Result;
#[derive(clap::Args)]
pub struct DoctorSettings {}
pub fn run(_settings: &DoctorSettings) -> Result<()> {
    todo!()
}
