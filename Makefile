# The front door. `make` alone lists what there is.
#
#   make lab-4.4                      run a section's lab
#   make lab-4.4 ARGS=--list          name its experiments
#   make lab-4.4 STEP=1               wait for Enter at each step (STEP=call: at each call, too)

ifneq ($(shell uname -s),Linux)
$(error The workbook needs Linux (this is $(shell uname -s)); a virtual machine will do)
endif

CARGO ?= cargo
BIN ?= target/debug
ARGS ?=
export STEP

sections := $(patsubst src/bin/lab_%,%,$(basename $(wildcard src/bin/lab_*)))
labs := $(addprefix lab-,$(subst _,.,$(sections)))
sides := $(labs:=-server) $(labs:=-client)

stages := $(labs:lab-%=stage-%)
exercises := $(patsubst labs/%/rules.toml,%,$(wildcard labs/*/rules.toml))

.PHONY: help check $(exercises:%=check-%) $(exercises:%=watch-%) $(exercises:%=grade-%) $(labs) $(sides) wakeups doctor explore-4.8 $(stages) $(stages:stage-%=page-%) exam ipcs sweep book serve runs lint test soak golden images zh-stamp kernels \
	bench bench-trace bench-memory

help:
	@sed -n 's/^# | \{0,1\}//p' $(MAKEFILE_LIST)

# | The sections of the workbook. Each has a lab:
# |
# |   make lab-4.1    how IPC works: a message queue between two processes
# |   make lab-4.2    IPC calls beside file calls
# |   make lab-4.3    how shared memory works, and what it saves
# |   make lab-4.4    shmget and ftok: making and finding a segment
# |   make lab-4.5    shmat: the segment in our address space
# |   make lab-4.6    shmdt: taking the segment out of our address space again
# |   make lab-4.7    shmctl: the record of a segment, its mode, its removal
# |   make lab-4.8    parent and child: fork, kill and pause, and the lost wake-up
# |   make lab-4.9    two unrelated processes
# |   make lab-4.10   full duplex, with threads
# |
# | In two terminals: make lab-4.9-server and make lab-4.9-client (with
# | ARGS='--part a' they use pause and kill, as the source notes do), or
# | make lab-4.10-server and make lab-4.10-client, a chat.
# |
# |   make lab-4.4 ARGS=--list               list the experiments of a lab
# |   make lab-4.4 ARGS='--experiment NAME'  run one; ARGS=--experiments runs all
# |   make lab-4.4 STEP=1                    wait for Enter at each step
# |   make lab-4.4 STEP=call                 wait for Enter at each call, too
# |   LAB_LANG=zh make lab-4.4               the same in Chinese
# |   make lab-4.4 ARGS='--from 3'           show the story from step 3 on
# |   make lab-4.4 ARGS='--only 3'           show step 3 alone
# |
# | The exercises: write the program of a section yourself (notes/judged.md)
# |
# |   make check-4.8             judge labs/4.8/exercise/, the file changed last
# |   make check-4.8 SRC=my.rs   judge another source, program or folder
# |   make check                 judge all sections that have an exercise
# |   make watch-4.8             judge again each time the file is saved
# |   make grade-4.8 DIR=…       judge a class, a folder each (notes/grading.md)
# |
# | The tool, for any program (target/debug/lab --help):
# |
# |   make trace-4.8    print every call of a lab, seen from outside
# |   make explore-4.8  try every order in which its calls can happen
# |   make page-4.8     the same as a page for a browser (notes/page.md)
# |   make stage-4.8    choose yourself who moves next (notes/stage.md); KEYS=c2Acc
# |                     plays these keys, EXPERIMENT=NAME stages one of the lab
# |   make exam SEED=7  an exam from real runs, and its answers (notes/teaching.md)
# |   make doctor       check what this machine allows, and how to mend it
# |
# | More:
# |
# |   make ipcs       list what is in the kernel's tables now
# |   make sweep      list what the workbook left behind there; ask, then remove it
# |   make wakeups    the experiment of 4.10: every way to wake the other side
# |   make bench      the channel of 4.10 beside others; bench-trace: lab trace
# |                   beside strace; bench-memory: an access under lab explore
# |   make book       notes, worksheets and exercises as a book for a browser,
# |                   in English and Chinese; serve: the same, for an author;
# |                   runs: records again the runs that it shows
# |   make test       all tests, with reduced counts; soak: with the full ones
# |   make lint       formatting and lints
# |   make golden     write labs/*/expected.txt; images: the pictures of the README
# |   make zh-stamp   stamp the Chinese pages with the English that they translate
# |   make kernels    the labs and lab explore on another kernel, in an emulator
# |
# | The README walks through the sections; notes/ has a note for each, labs/ a
# | worksheet. notes/source.md: what the source notes say, and where it is.

# What a section needs beyond the rest: the features that Cargo.toml requires for its program.
needs = $(shell sed -n '/^name = "lab_$(subst .,_,$(1))"/{n;s/^required-features = \["\(.*\)"\]/\1/p}' \
	Cargo.toml)

# $(call build,WHAT): cargo build, which prints what it compiles and that it waits for another build. With --quiet
# it would not; without, it would also print each time that it has finished, and that line is left out here.
build = code=$$({ { $(CARGO) build --color $(color) $(1) 2>&1; echo $$? >&3; } | \
	sed -u '/Finished.* target(s) in /d' >&2; } 3>&1); test "$$code" = 0
color = $(shell test -t 2 -a -z "$$NO_COLOR" && echo always || echo never)

# $(call run,SECTION,WORDS): builds a lab and nothing else, and runs it. A first build takes a while.
run = test -e $(BIN)/lab_$(subst .,_,$(1)) || echo "make: building lab $(1); the first build takes a while" >&2; \
	$(call build,-p shm-workbook --no-default-features --features "$(call needs,$(1))" \
	--bin lab_$(subst .,_,$(1))) && $(BIN)/lab_$(subst .,_,$(1)) $(2) $(ARGS)

$(labs): lab-%:
	@$(call run,$*)

# The two sides of a section that has them, each in a terminal of its own.
$(labs:=-server): lab-%-server:
	@$(call run,$*,server)

$(labs:=-client): lab-%-client:
	@$(call run,$*,client)

wakeups:
	@$(call run,4.10,wakeups)

# Exit code 1 is what part A of 4.8 is there for: a defect, found.
explored := $(BIN)/lab explore $(ARGS)
explore-4.8:
	@$(call build,--bin lab --bin lab_4_8)
	@$(explored) -- $(BIN)/lab_4_8 --part a --unwatched; test $$? = 1
	@echo
	@$(explored) -- $(BIN)/lab_4_8 --part c --rounds 1 --unwatched

explore-%:
	@$(call build,--bin lab --bin lab_$(subst .,_,$*))
	@$(explored) -- $(BIN)/lab_$(subst .,_,$*) $(EXPLORE)

lab-%:
	@echo "make: no lab $*; there are: lab-4.1 to lab-4.$(words $(labs))" >&2; exit 2

# KEYS='…': keys that are played. ARGS='…': options of lab stage. EXPERIMENT=NAME: one of the lab's.
export KEYS
played = $(if $(KEYS),--script "$$KEYS")
what = $(if $(EXPERIMENT),-- $(BIN)/lab_$(subst .,_,$*) --experiment $(EXPERIMENT),$*)
# These make so many accesses to memory that choosing who makes each of them has no end. notes/stage.md
unstaged := 4.10-store-buffers 4.10-peterson 4.10-seqlock
$(stages): stage-%:
	$(if $(filter $(unstaged),$*-$(EXPERIMENT)),@echo "make: $(EXPERIMENT) of $* has no stage: notes/stage.md says why" >&2; exit 2)
	@$(call build,--bin lab$(if $(EXPERIMENT), --bin lab_$(subst .,_,$*)))
	@$(BIN)/lab stage $(played) $(ARGS) $(what)

# ARGS='…': options of lab page.
$(stages:stage-%=page-%): page-%:
	@$(call build,--bin lab)
	@$(BIN)/lab page $* -o target/page-$*.html $(ARGS)
	@echo "target/page-$*.html"

# The seed chooses the runs and the questions. ARGS='4.8 4.9': these sections alone.
SEED ?= 1
exam:
	@$(call build,)
	@$(BIN)/lab exam --seed $(SEED) $(ARGS)

# TRACE='…': options of lab trace. EXPLORE='…': of lab explore.
trace-%:
	@$(call build,--bin lab --bin lab_$(subst .,_,$*))
	@$(BIN)/lab trace $(TRACE) -- $(BIN)/lab_$(subst .,_,$*) $(ARGS)

# SRC=… is what is judged; ARGS='…' are options of lab check.
SRC ?=
check:
	@$(call build,-p lab)
	@$(BIN)/lab check $(ARGS)

$(exercises:%=check-%): check-%:
	@$(call build,-p lab)
	@$(BIN)/lab check $* $(SRC) $(ARGS)

$(exercises:%=watch-%): watch-%:
	@$(call build,-p lab)
	@$(BIN)/lab check $* $(SRC) --watch $(ARGS)

# DIR=… has a folder for each submission; the report is written to OUT=…
OUT ?= report
$(exercises:%=grade-%): grade-%:
	@test -n "$(DIR)" || { echo "make: DIR=… is missing: the folder with the submissions" >&2; exit 2; }
	@$(call build,-p lab)
	@$(BIN)/lab grade "$(DIR)" -o "$(OUT)" --section $* $(ARGS)

check-% watch-% grade-%:
	@echo "make: no exercise $*; there are: $(exercises)" >&2; exit 2

doctor:
	@$(call build,-p lab)
	@$(BIN)/lab doctor

ipcs:
	@ipcs -a

sweep:
	@$(call build,-p shm-workbook --no-default-features --bin sweep)
	@$(BIN)/sweep $(ARGS)

# mdBook is a library of the program in book/: it is fetched and built once, and nothing else needs it.
book := target/mdbook/debug/book
tool = $(CARGO) fetch --quiet --locked --manifest-path book/Cargo.toml 2>/dev/null || \
	{ echo "make: no book, because mdBook cannot be fetched; nothing else needs it" >&2; exit 1; }; \
	$(call build,--locked --manifest-path book/Cargo.toml --target-dir target/mdbook)
book:
	@$(tool)
	@$(call build,-p lab)
	@$(book) --lab $(BIN)/lab

runs:
	@$(call build,--bins --example ring_of_4_10)
	@LAB=$(BIN)/lab book/runs/make book/runs $(ARGS)

# PORT=…: where on this machine.
PORT ?= 3000
serve:
	@$(tool)
	@$(call build,-p lab)
	@$(book) --lab $(BIN)/lab --serve $(PORT)

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings

test:
	@tests/run

soak:
	@SOAK=1 tests/run

golden:
	@GOLDEN=write tests/run --test golden --test coverage --test answers

zh-stamp:
	@STAMP=1 tests/run --test translated

bench-trace:
	@$(call build,--release -p lab)
	@benches/trace/run target/release/lab

images:
	@IMAGES=write tests/run --test stage_screen --test page picture

bench-memory:
	@$(call build,--release -p lab)
	@benches/memory/run target/release/lab

kernels:
	@tests/kernels/run

bench:
	@$(call build,--release --manifest-path benches/peers/Cargo.toml)
	@benches/peers/target/release/peers --write notes/performance.md --svg images/4.10-limits.svg $(ARGS)
