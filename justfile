# Play the main job on this machine.
demo:
    cargo run --release -- demo

# Run every test.
test:
    ./test

# The unit tests with 2,000 histories of the lifecycle: 80 s on two cores after the build.
quick:
    HOOKHERD_HISTORIES=2000 cargo test --lib

# Many seeds of the simulation, with an optimised crate: each takes less than half of the time.
seeds count="2000":
    HOOKHERD_SEEDS={{count}} cargo test --test simulation \
        --config profile.dev.package.hookherd.opt-level=1 whatever_happens -- --nocapture

# The quick loop.
check:
    cargo check --all-targets

# Form.
fmt:
    cargo fmt

# Lints, as CI wants them.
lint:
    cargo clippy --all-targets -- -D warnings

# The documentation of the code.
doc:
    cargo doc --no-deps --document-private-items --open

# Write docs/openapi.json from the code.
openapi:
    UPDATE_OPENAPI=1 cargo test --lib the_committed_document

# Licences, sources and advisories of the dependencies (needs cargo-deny).
deny:
    cargo deny check

# Two hours under load in which something breaks every ten seconds.
soak seconds="7200":
    HOOKHERD_SOAK_SECONDS={{seconds}} cargo test --release --test crash soak -- --nocapture

# The secrets of 1,000 connections, rotated under load with 20 kills.
rotated count="1000":
    HOOKHERD_ROTATED={{count}} cargo test --release --test crash rotated_many -- --nocapture

# Everything that CI does.
ci:
    .ci/run
