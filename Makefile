# Two commands: `make demo` shows Flightline at work, `make test` checks all of it.
# Both install what is missing (the PostgreSQL server from the distribution) and can be run again.

CARGO ?= cargo
.PHONY: demo test setup release bench

demo: setup
	$(CARGO) build --release --locked --bin flightline
	./target/release/flightline demo $(DEMO_ARGS)

test:
	@.ci/setup test
	.ci/test

# Every bench in full, one after the other, on a machine that does nothing else.
bench: setup
	$(CARGO) bench --locked -p flightline-benches --benches -- $(BENCH_ARGS)

setup:
	@.ci/setup

release:
	$(CARGO) build --release --locked --workspace --bins
