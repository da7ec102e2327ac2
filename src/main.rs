//! Parses the command line and hands over.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    stepgate::cli::main()
}
