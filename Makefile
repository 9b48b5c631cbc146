# Microcosm. `make help` lists the targets.

GO        ?= go
BIN       := bin
OUT       := out
PACKAGES  := ./...
# The packages whose tests draw their cases at random. `make test` draws the same ones
# from SEED every time, so that a change alone decides; `make fuzz` draws others.
DRAWN      = $(shell $(GO) list -f '{{$$p := .ImportPath}}{{range .TestImports}}{{if eq . "pgregory.net/rapid"}}{{$$p}}{{end}}{{end}} {{range .XTestImports}}{{if eq . "pgregory.net/rapid"}}{{$$p}}{{end}}{{end}}' $(PACKAGES))
SEED      ?= 1
# Tests do without the profile, for which every package would be compiled once more.
gotest     = $(GO) test -pgo=off
run-tests  = $(gotest) $(1) $(sort $(DRAWN)) -rapid.seed=$(SEED) && $(gotest) $(1) $(filter-out $(DRAWN),$(shell $(GO) list $(PACKAGES)))
# golangci-lint is built with the Go of this machine, so that it understands the
# module's language version.
GOLANGCI  := v2.15.0
# Which code is hot: what compilers of the main package read by its name.
PROFILE   := cosim/cmd/cosim/default.pgo
FUZZTIME  ?= 60s
BENCHTIME ?= 1s

export CGO_ENABLED = 1
# SQLite is the C of a first build: gcc takes less than half as long for it as with
# cgo's own -O2 -g.
export CGO_CFLAGS ?= -O1 -g0

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

.PHONY: run
run: $(BIN)/cosim ## answer the quickstart question: what do lukewarm starts cost this cluster?
	$(BIN)/cosim run cosim/scenario/examples/quickstart.yaml --out $(OUT)/quickstart --force

.PHONY: kill
kill: $(BIN)/cosim ## end detailed simulations that are stuck, and nothing else
	$(BIN)/cosim kill --stuck

.PHONY: build
build: $(BIN)/cosim functions ## build cosim and the functions of this machine

.PHONY: $(BIN)/cosim
$(BIN)/cosim:
	$(GO) build -trimpath -o $@ ./cosim/cmd/cosim

.PHONY: functions
functions: ## install the functions that the host back end measures
	$(MAKE) --no-print-directory -C functions install DESTDIR=$(abspath $(BIN)/functions)

.PHONY: images
images: setup-images ## kernels and disk images with every function: images/out/ISA (ISA=x86_64 or arm64, else both)
	$(MAKE) --no-print-directory -C images image

# An image that is taken in as if somebody else had built it.
.PHONY: images-imported
images-imported: setup-images $(BIN)/cosim ## the same, and an imported function in them, which test-gem5 measures too
	$(MAKE) --no-print-directory -C functions install-go DESTDIR=$(abspath $(OUT))/functions/x86_64 GOARCH=amd64
	$(MAKE) --no-print-directory -C functions install-go DESTDIR=$(abspath $(OUT))/functions/arm64 GOARCH=arm64
	$(BIN)/cosim images pack fibonacci-go --isa x86_64,arm64 --functions $(OUT)/functions --out $(OUT)/fibonacci-go.tar
	$(BIN)/cosim images import $(OUT)/fibonacci-go.tar --isa x86_64 --staged $(OUT)/staged --replace
	$(BIN)/cosim images import $(OUT)/fibonacci-go.tar --isa arm64 --staged $(OUT)/staged --replace
	$(MAKE) --no-print-directory -C images image STAGED=$(abspath $(OUT))/staged

.PHONY: images-test
images-test: setup-images ## boot the images in QEMU, invoke every function, check every reply
	$(MAKE) --no-print-directory -C images test

.PHONY: images-matrix
images-matrix: setup-images ## try every function, count instructions, write the README's support matrix
	$(MAKE) --no-print-directory -C images matrix

.PHONY: setup-images
setup-images: ## install what building and booting images needs
	setup/install images

.PHONY: test
test: setup-test build ## prove it: all that needs neither image nor gem5
	@$(call run-tests,)

.PHONY: test-gem5
test-gem5: ## boot both ISAs in gem5, measure two functions and an imported one; says so where gem5 or images are missing
	MICROCOSM_TEST_GEM5=1 MICROCOSM_IMAGES=$(or $(MICROCOSM_IMAGES),$(abspath images/out)) \
		$(gotest) -count=1 -v -timeout 60m -run '^TestRealGem5' ./gem5bridge/gem5

.PHONY: setup-test
setup-test: ## install what the tests need beyond Go, gcc and make
	setup/install test

.PHONY: race
race: setup-test build ## the tests under the race detector, theory with one seed only
	@$(call run-tests,-race -short -timeout 60m)

.PHONY: lint
lint: $(BIN)/golangci-lint-$(GOLANGCI) ## style, and the import rules of the house
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on the files above'; exit 1; }
	$< run

$(BIN)/golangci-lint-$(GOLANGCI):
	GOBIN=$(abspath $(BIN)) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(BIN)/golangci-lint $@

.PHONY: readme
readme: build ## write the README's numbers anew
	$(gotest) ./cosim/cmd/cosim -run 'TestReadmeNumbers|TestReadmeSlowdown' -update

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each, and draw every random case anew, ten times as many
	setup/fuzz $(FUZZTIME)
	@$(gotest) -count=1 -timeout 60m $(sort $(DRAWN)) -rapid.checks=1000

.PHONY: bench
bench: ## benchmarks of what cosim is built as: ratios within one run, see README
	$(GO) test -pgo=$(abspath $(PROFILE)) -run '^$$' -bench . -benchtime $(BENCHTIME) -timeout 60m ./cosim/... ./results/... ./loadgen/...

.PHONY: profile
profile: ## measure anew which code is hot, for the compiler (2 minutes)
	mkdir -p $(OUT)
	$(GO) test -run '^$$' -bench 'IdleTimeout|Day|Nodes/nodes=1000$$|Quickstart/nodes=10$$' -benchtime 10x -cpu 1 \
		-cpuprofile $(abspath $(OUT))/cluster.prof -o $(OUT)/cluster.test ./cosim/cluster -bench-scale .5
	$(GO) test -run '^$$' -bench Knative -benchtime 15x -cpu 1 \
		-cpuprofile $(abspath $(OUT))/controlplane.prof -o $(OUT)/controlplane.test ./cosim/controlplane
	$(GO) tool pprof -proto $(OUT)/cluster.prof $(OUT)/controlplane.prof > $(PROFILE)

.PHONY: coverage
coverage: ## count how often intervals hold the truth, and write the table anew (minutes)
	$(gotest) ./cosim/experiment -run TestCoverageStudy -coverage-seeds 1000 -timeout 10h

.PHONY: reality
reality: build ## predict an open-loop load on this machine and compare; an otherwise idle machine, 7 minutes
	$(BIN)/cosim reality

.PHONY: reality-record
reality-record: build ## the same, and write the table to cosim/reality/REALITY.md
	$(BIN)/cosim reality --out cosim/reality/REALITY.md

.PHONY: presubmit
presubmit: lint test race ## what a change must pass

.PHONY: clean
clean: ## remove what make made
	rm -rf $(BIN) $(OUT)
