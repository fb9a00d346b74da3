# The commands of the project; README tells what each is for.

plugins := $(notdir $(wildcard plugins/*))
state   := $(CURDIR)/bin/demo-state

.PHONY: all
all: bin/vision $(plugins:%=bin/plugins/%) onnxruntime

.PHONY: bin/vision
bin/vision:
	@echo "building $@"
	@CGO_ENABLED=0 go build -o $@ ./host/cmd/vision

.PHONY: $(plugins:%=bin/plugins/%)
$(plugins:%=bin/plugins/%): bin/plugins/%:
	@echo "building $@"
	@go build -o $@ ./plugins/$*

.PHONY: onnxruntime
onnxruntime:
	@.tools/onnxruntime.sh

# A host on the shipped plugins.hcl, one prompt, one picture.
.PHONY: demo
demo: all
	@.tools/demo.sh $(state)

.PHONY: test
test: all
	@.tools/test.sh

.PHONY: lint
lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "lint: gofmt -w these"; exit 1; }
	go vet ./...
	go tool -modfile=.tools/go.mod staticcheck ./...
	@.tools/generate.sh --check

.PHONY: generate
generate:
	@.tools/generate.sh

.PHONY: bench
bench: all
	@go run ./examples/bench

.PHONY: eval
eval: all
	@go run ./examples/eval $(ENDPOINTS)

# What honest miners and cheats earn under the scoring rules; fails when a bar does not hold.
.PHONY: arena
arena: bin/vision
	@bin/vision arena --seeds 20 --plot bin/arena.svg

.PHONY: clean
clean:
	rm -rf bin
