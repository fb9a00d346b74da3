package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision19/vision/examples/bench/workload"
	"github.com/vision19/vision/host/api"
)

//go:embed node.mjs
var nodeServer []byte

// concurrency is how many callers ask at once.
const concurrency = 64

// dispatchOverNode compares requests a second through the host, on a plugin that does next to nothing, with onnxruntime-node behind
// node:http on a model that does next to nothing.
func dispatchOverNode(ctx context.Context) ([]row, error) {
	url, stop, err := startNode(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	h, err := start(ctx, "plugin \"echo\" {\n  binary = \"echo\"\n  queue = 256\n  config {\n    concurrency = 64\n  }\n}\n")
	if err != nil {
		return nil, err
	}
	defer h.Close(ctx)
	job := api.Job{Target: "echo", Texts: map[string][]string{"prompt": {"hello"}}, Parameters: map[string]any{"seed": 1, "width": 8, "height": 8}}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}}
	body := bytes.Repeat([]byte{1}, 64)
	var ours, theirs []time.Duration
	for range 7 {
		a, err := each(2000, func() error {
			_, err := h.Do(ctx, job, api.Events{})
			return err
		})
		if err != nil {
			return nil, err
		}
		b, err := each(2000, func() error {
			answer, err := client.Post(url, "application/octet-stream", bytes.NewReader(body))
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			_, err = io.Copy(io.Discard, answer.Body)
			return err
		})
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, a), append(theirs, b)
	}
	perSecond := float64(time.Second) / float64(median(theirs))
	return []row{above("dispatch_over_node_c64", ratio(median(theirs), median(ours)), 2, fmt.Sprintf("onnxruntime-node behind node:http, %.0f requests/s", perSecond))}, nil
}

// each makes n calls from concurrent callers and returns the time of one.
func each(n int, call func() error) (time.Duration, error) {
	var group sync.WaitGroup
	var left, failed atomic.Int64
	var first atomic.Value
	left.Store(int64(n))
	began := time.Now()
	for range concurrency {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					failed.Add(1)
					first.Store(err)
				}
			}
		})
	}
	group.Wait()
	if err, ok := first.Load().(error); ok {
		return 0, fmt.Errorf("%d of %d calls failed: %w", failed.Load(), n, err)
	}
	return time.Since(began) / time.Duration(n), nil
}

// nodeDir is where node's programs and packages lie.
var nodeDir = filepath.Join(work, "node")

// installNode installs onnxruntime-node once.
func installNode(ctx context.Context) error {
	if err := os.MkdirAll(nodeDir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(nodeDir, "node_modules", "onnxruntime-node")); err == nil {
		return nil
	}
	install := exec.CommandContext(ctx, "npm", "install", "--prefix", nodeDir, "--no-audit", "--no-fund", "--silent", "onnxruntime-node@1.27.0")
	install.Env = append(os.Environ(), "ONNXRUNTIME_NODE_INSTALL=skip")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("install onnxruntime-node: %w\n%s", err, out)
	}
	return nil
}

// startNode starts the server.
func startNode(ctx context.Context) (url string, stop func(), err error) {
	if err := installNode(ctx); err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(filepath.Join(nodeDir, "server.mjs"), nodeServer, 0o644); err != nil {
		return "", nil, err
	}
	if err := workload.WriteIdentity(filepath.Join(nodeDir, "identity.onnx")); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "node", "server.mjs")
	cmd.Dir, cmd.Stderr = nodeDir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start node: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start node: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}
