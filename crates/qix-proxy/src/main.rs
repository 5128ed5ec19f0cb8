//! The command line of qix-proxy.

fn main() -> std::process::ExitCode {
    qix_proxy::run()
}
