//! The binary: everything is in the library.

/// Gives memory back to the system soon after it was freed: a burst of large bodies must not be
/// paid for as long as the daemon lives.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hookherd::cli::run()
}
