//! The program; everything is in the library.

fn main() -> std::process::ExitCode {
    sightglass::cli::main()
}
