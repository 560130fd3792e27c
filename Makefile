# Short commands. `make` alone lists them.
.DEFAULT_GOAL := help
FUZZTIME ?= 10s
DURATION ?= 2m
REF ?= HEAD~1
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The modules: those of go.work, and those that have workspaces of their own.
MODULES = $(shell go list -m -f '{{.Dir}}') $(CURDIR)/bench $(CURDIR)/tests/powercut
# Runs a command in each.
each = @set -e; for m in $(MODULES); do echo "$$m: $(1)"; (cd "$$m" && $(1)); done

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## build the program into ./pipeproc
	go build -o pipeproc ./cmd/pipeproc

test: ## all tests
	go test work

race: ## all tests with the race detector
	go test -race work

# What needs no more than a file system and memory. Platforms: vfs/doc.go.
CORE = ./vfs ./wal ./segment ./index ./topics ./engine ./procstate ./gcprune ./once ./record ./internal/enc ./internal/errs ./internal/xxh

test-386: ## tests of the core and the model in a process of 32 bits
	GOARCH=386 CGO_ENABLED=0 go test -short $(CORE) ./tests/model

cross: ## build and vet everything for every platform that vfs/doc.go lists
	@set -e; for p in $$(go tool dist list | grep -E '^(linux|darwin|freebsd|windows)/(amd64|arm64|386|arm)$$'); do \
		echo "$$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go build work; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go vet work; \
	done

lint: ## gofmt, vet of the mutants, golangci-lint (vet, staticcheck and more)
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go vet -tags mutate work
	$(call each,go run $(GOLANGCI) run ./...)

tidy: ## tidy go.mod and go.sum of each module
	.ci/tidy

fuzz: ## fuzz every target for FUZZTIME
	./fuzz/run.sh $(FUZZTIME)

mutants: ## remove each rule in turn and see its test fail
	PIPEPROC_MUTANTS=1 go test -count=1 -v -run TestMutants ./internal/mutate

torture: ## model and kill tests for DURATION each, every crash point, failing call and bit
	go test -count=1 -timeout 0 -v ./tests/model -run 'TestCrashPoints|TestFaults|TestDiskFull' -model.full
	go test -count=1 -timeout 0 -v ./tests/pipelines -run TestOnce -once.records 1000000 -once.kills 300 -once.power 1200
	go test -race -count=1 -timeout 0 -v ./tests/model -run 'TestModel$$' -model.duration=$(DURATION)
	go test -race -count=1 -timeout 0 -v ./tests/kills -run TestKill -rounds=2000
	go test -count=1 -timeout 0 -v ./tests/damage -damage.n=200000
	go test -count=1 -timeout 0 -v ./tests/kills -run TestFlip -flips.all
	GOGC=800 go test -count=1 -timeout 0 -v ./tests/faults -faults.full -faults.rounds=100
	go test -race -count=1 -timeout 0 -v ./tests/linear -linear.ops=100000

faults: ## failing system calls, power cuts, hurt files, limits, security: a sample of each
	go test -count=1 -timeout 10m -v ./tests/faults

powercut: ## 500 power cuts of ext4, xfs and btrfs on a recorded disk (Linux, root)
	cd tests/powercut && go test -count=1 -timeout 20m -v . -points 500

soak: ## everything at once on one node for DURATION, watching for growth
	go test -count=1 -timeout 0 -v ./tests/faults -run TestSoak -soak.duration=$(DURATION)

scale: ## 10 million records, 10,000 topics, 50,000 small ones
	go test -count=1 -v -timeout 30m ./tests/scale -scale.full

bench: ## benchmarks of the inner loops, in all modules
	go test -run '^$$' -bench . -benchmem work

bench-compare: ## compare benchmarks with commit REF
	./bench/compare.sh $(REF)

demo: ## the main job on real input
	go run ./cmd/pipeproc demo

.PHONY: help build test race test-386 cross lint tidy fuzz mutants torture faults powercut soak scale bench bench-compare demo
