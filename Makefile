# The front door. `make` alone lists what there is.
#
#   make lab-4.4                      run a section's lab
#   make lab-4.4 ARGS=--list          name its experiments
#   make lab-4.4 STEP=1               wait for Enter at each step (STEP=call: at each call, too)

CARGO ?= cargo
BIN ?= target/debug
ARGS ?=
export STEP

sections := $(patsubst src/bin/lab_%,%,$(basename $(wildcard src/bin/lab_*)))
labs := $(addprefix lab-,$(subst _,.,$(sections)))

.PHONY: help $(labs) ipcs sweep lint test soak golden bench

help:
	@sed -n 's/^# | \{0,1\}//p' $(MAKEFILE_LIST)

# | The sections of the workbook, each with a lab:
# |
# |   make lab-4.1    how IPC works: a message queue between two processes
# |   make lab-4.2    IPC calls beside file calls
# |   make lab-4.4    shmget and ftok: making and finding a segment
# |   make lab-4.5    shmat: the segment in our address space
# |   make lab-4.6    shmdt: and out of it
# |   make lab-4.7    shmctl: looking at it, changing it, removing it
# |
# |   make lab-4.4 ARGS=--list               the experiments that go beyond the story
# |   make lab-4.4 ARGS='--experiment NAME'  one of them        ARGS=--experiments  all
# |   make lab-4.4 STEP=1                    wait for Enter at each step; STEP=call: at each call
# |
# | Around them:
# |
# |   make ipcs       what is in the kernel's tables now
# |   make sweep      what the workbook left behind there; asks, then removes it
# |   make test       all tests, with reduced counts        make soak    with the full ones
# |   make lint       formatting and lints                  make golden  write labs/*/expected.txt
# |
# | The README walks through the sections; notes/ explains them; labs/ has a worksheet for each.

$(labs): lab-%:
	@$(CARGO) build --quiet --no-default-features --bin lab_$(subst .,_,$*)
	@$(BIN)/lab_$(subst .,_,$*) $(ARGS)

lab-%:
	@echo "make: no lab $*; there are: $(labs)" >&2; exit 2

ipcs:
	@ipcs -a

sweep:
	@$(CARGO) build --quiet --no-default-features --bin sweep
	@$(BIN)/sweep $(ARGS)

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --all-targets -- -D warnings

test:
	@tests/run

soak:
	@SOAK=1 tests/run

golden:
	@GOLDEN=write tests/run --test golden

bench:
	@$(CARGO) build --quiet --release --manifest-path benches/peers/Cargo.toml
	@benches/peers/target/release/peers --write notes/performance.md $(ARGS)
