package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision19/vision/chain/scale"
)

// decodeOverPolkadotJS decodes finney's metadata, and a recorded metagraph of 1,024 neurons, beside polkadot.js. The recordings are not part of the
// repository: without them the rows are left out.
func decodeOverPolkadotJS(ctx context.Context) ([]row, error) {
	const recorded = "../shared/data/chain"
	v14, err := os.ReadFile(filepath.Join(recorded, "sdk-finney-v14.scale"))
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Println("chain_*: left out, there is no folder shared/data/chain beside the repository")
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	v15, err := os.ReadFile(filepath.Join(recorded, "sdk-finney-v15.scale"))
	if err != nil {
		return nil, err
	}
	m, err := scale.ParseMetadata(v15)
	if err != nil {
		return nil, err
	}
	method, err := m.Method("SubnetInfoRuntimeApi", "get_selective_mechagraph")
	if err != nil {
		return nil, err
	}
	var reply struct{ Result string }
	raw, err := os.ReadFile(filepath.Join(recorded, "sdk-reply-mechagraph.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &reply); err != nil {
		return nil, err
	}
	graph, err := hex.DecodeString(strings.TrimPrefix(reply.Result, "0x"))
	if err != nil {
		return nil, err
	}
	hexed := filepath.Join(work, "metagraph.hex")
	if err := os.WriteFile(hexed, []byte(reply.Result), 0o644); err != nil {
		return nil, err
	}
	metadata, err := besidePolkadotJS(ctx, "chain_metadata_over_polkadotjs", func() error { _, err := scale.ParseMetadata(v14); return err }, filepath.Join(recorded, "sdk-finney-v14.scale"))
	if err != nil {
		return nil, err
	}
	metagraph, err := besidePolkadotJS(ctx, "chain_metagraph_over_polkadotjs", func() error { _, err := m.DecodeAll(method.Output, graph); return err },
		filepath.Join(recorded, "sdk-finney-v15.scale"), hexed)
	return []row{metadata, metagraph}, err
}

// besidePolkadotJS measures ours and the same in Node, turn by turn.
func besidePolkadotJS(ctx context.Context, name string, ours func() error, files ...string) (row, error) {
	const turns, warm = 40, 10
	folder, err := exec.CommandContext(ctx, ".tools/polkadotjs.sh").Output()
	if err != nil {
		return row{}, fmt.Errorf("the peer of %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(strings.TrimSpace(string(folder)), "decode.mjs")}, files...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return row{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return row{}, err
	}
	if err := cmd.Start(); err != nil {
		return row{}, fmt.Errorf("start Node: %w", err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	lines := bufio.NewReader(out)
	var mine, theirs []time.Duration
	for i := range turns + warm {
		began := time.Now()
		if err := ours(); err != nil {
			return row{}, err
		}
		took := time.Since(began)
		var seconds float64
		if _, err := io.WriteString(in, "\n"); err != nil {
			return row{}, fmt.Errorf("polkadot.js: %w", err)
		}
		if _, err := fmt.Fscan(lines, &seconds); err != nil {
			return row{}, fmt.Errorf("polkadot.js: %w", err)
		}
		if i >= warm {
			mine, theirs = append(mine, took), append(theirs, time.Duration(seconds*float64(time.Second)))
		}
	}
	peer := fmt.Sprintf("@polkadot/api 16.5.6 in Node, median %.1f ms", 1000*median(theirs).Seconds())
	return below(name, ratio(median(mine), median(theirs)), 0.2, peer), nil
}
