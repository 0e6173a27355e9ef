# What each target does: make help.
GO ?= go
# Leaves out the manual page writer of the command line library, which costs a
# quarter of a millisecond at every start.
TAGS = urfave_cli_no_docs
PREFIX ?= $(HOME)/.local
FUZZTIME ?= 10s
TOOL = $(GO) tool -modfile=tools/go.mod

.PHONY: all quickstart test test-stack check bench bench-audit fuzz install help clean

PROGRAMS = bin/gitseal bin/gitseal-tuf

all: $(PROGRAMS) ## build bin/gitseal and bin/gitseal-tuf, which it runs to update trust

$(PROGRAMS): FORCE
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags='-s -w' -o $@ ./cmd/$(@F)

quickstart: bin/gitseal ## sign, verify, tamper and audit in a scratch repository, in a minute
	@./quickstart.sh

test: ## run every test
	$(GO) test ./...

test-stack: ## run the tests that need a real Sigstore, on loopback, where ../shared/stack has one
	@GO='$(GO)' ./test-stack.sh

check: ## gofmt, vet (for Windows and macOS too), staticcheck, and the tests under the race detector
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) test -race ./...

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@./fuzz.sh $(FUZZTIME)

bench: bin/gitseal ## measure against peers: see docs/performance.md
	./bench/run.sh

bench-audit: bin/gitseal ## measure auditing histories of up to 100,000 generated commits; with LARGE=1 a million, too
	TABLE=audit.txt ./bench/run.sh -only histories $(if $(LARGE),-large)

install: $(PROGRAMS) ## install into PREFIX/bin (~/.local/bin)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin

clean: ## remove what was built
	rm -rf bin bench/out

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

FORCE:
