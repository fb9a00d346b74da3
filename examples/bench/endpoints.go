package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

//go:embed replay.mjs
var nodeReplay []byte

// sessionRun is one run of a recording: which file, and what it was given.
type sessionRun struct {
	File   string              `json:"file"`
	Inputs map[string]recorded `json:"inputs"`
}

type recorded struct {
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"`
}

// endpointOverNode compares the session runs that one image takes with the same runs by onnxruntime-node: the same files and shapes, one
// thread each, turn by turn; and it times one image of the shipped configuration through the host.
func endpointOverNode(ctx context.Context) ([]row, error) {
	if err := installNode(ctx); err != nil {
		return nil, err
	}
	seconds, err := secondsPerImage(ctx)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, e := range endpoints {
		runs, err := record(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", e.name, err)
		}
		ours, theirs, err := replay(ctx, e.name, runs)
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", e.name, err)
		}
		peer := fmt.Sprintf("onnxruntime-node, %d runs, median %.1f ms", len(runs), float64(median(theirs).Microseconds())/1000)
		rows = append(rows,
			below("endpoint_over_node."+e.name, ratio(median(ours), median(theirs)), 1.05, peer),
			row{Name: "seconds_per_image." + e.name, Value: seconds[e.name], Unit: "s", Holds: true, Peer: "nothing"})
	}
	return rows, nil
}

// record runs an endpoint's pipeline once in this process and notes its session runs.
func record(ctx context.Context, e endpoint) ([]sessionRun, error) {
	graphs := map[string]onnx.Graph{}
	var runs []sessionRun
	var failed error
	observe := func(path string, inputs map[string]onnx.Tensor) {
		abs, err := filepath.Abs(path)
		if _, known := graphs[path]; err == nil && !known {
			graphs[path], err = onnx.ReadGraph(path)
		}
		if err != nil {
			failed = err
			return
		}
		run := sessionRun{File: abs, Inputs: map[string]recorded{}}
		for _, i := range graphs[path].Inputs {
			run.Inputs[i.Name] = recorded{Type: i.Element(), Shape: append([]int64{}, inputs[i.Name].Shape...)}
		}
		runs = append(runs, run)
	}
	paint, stop, err := e.load(ctx, onnx.Options{Threads: 1, Observe: observe})
	if err != nil {
		return nil, err
	}
	defer stop()
	runs = nil // without the warm-up's
	if err := paint(ctx); err != nil {
		return nil, err
	}
	return runs, failed
}

// replay runs a recording with both, turn by turn.
func replay(ctx context.Context, name string, runs []sessionRun) (ours, theirs []time.Duration, err error) {
	data, err := json.Marshal(runs)
	if err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(nodeDir, name+".json"), data, 0o644); err != nil {
		return nil, nil, err
	}
	sessions := map[string]*onnx.Session{}
	for _, r := range runs {
		if sessions[r.File] == nil {
			if sessions[r.File], err = onnx.Load(r.File, onnx.Options{Threads: 1}); err != nil {
				return nil, nil, err
			}
			defer sessions[r.File].Close()
		}
	}
	node, stop, err := startReplay(ctx, name+".json")
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	for round := range 11 {
		began := time.Now()
		for _, r := range runs {
			if _, err := sessions[r.File].Run(ctx, zeros(r), nil); err != nil {
				return nil, nil, err
			}
		}
		a := time.Since(began)
		b, err := node()
		if err != nil {
			return nil, nil, err
		}
		if round > 1 { // the first ones warm up
			ours, theirs = append(ours, a), append(theirs, b)
		}
	}
	return ours, theirs, nil
}

func zeros(r sessionRun) map[string]onnx.Tensor {
	inputs := map[string]onnx.Tensor{}
	for name, i := range r.Inputs {
		t := onnx.Tensor{Shape: i.Shape}
		if strings.HasPrefix(i.Type, "float") {
			t.Floats = make([]float32, t.Len())
		} else {
			t.Ints = make([]int64, t.Len())
		}
		inputs[name] = t
	}
	return inputs
}

var errNodeEnded = errors.New("node has ended; its messages are above")

// startReplay starts node on a recording; each call of the result replays it once.
func startReplay(ctx context.Context, recording string) (once func() (time.Duration, error), stop func(), err error) {
	if err := os.WriteFile(filepath.Join(nodeDir, "replay.mjs"), nodeReplay, 0o644); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, "node", "replay.mjs", recording)
	cmd.Dir, cmd.Stderr = nodeDir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start node: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		stop()
		return nil, nil, errNodeEnded
	}
	return func() (time.Duration, error) {
		if _, err := fmt.Fprintln(in, "go"); err != nil {
			return 0, err
		}
		if !lines.Scan() {
			return 0, errNodeEnded
		}
		ms, err := strconv.ParseFloat(lines.Text(), 64)
		return time.Duration(ms * float64(time.Millisecond)), err
	}, stop, nil
}

// secondsPerImage asks every endpoint of the shipped configuration through the host, each alone.
func secondsPerImage(ctx context.Context) (map[string]float64, error) {
	c, diags := config.Load(config.DefaultFile)
	if diags.HasErrors() {
		return nil, diags
	}
	var err error
	h, diags := host.New(ctx, c, host.Options{StateDir: filepath.Join(work, "state")})
	if diags.HasErrors() {
		return nil, diags
	}
	defer h.Close(context.WithoutCancel(ctx))
	h.Start()
	if err = h.AwaitReady(ctx); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, picture := range map[string]imaging.Pixels{"image": gray, "mask": mask} {
		if files[name], err = picture.PNG(); err != nil {
			return nil, err
		}
	}
	seconds := map[string]float64{}
	for _, e := range endpoints {
		job := e.job
		job.Target, job.Images = e.name, map[string][][]byte{}
		for _, name := range e.images {
			job.Images[name] = [][]byte{files[name]}
		}
		var times []time.Duration
		for range 7 {
			began := time.Now()
			if _, err := h.Do(ctx, job, api.Events{}); err != nil {
				return nil, fmt.Errorf("%s: %w", e.name, err)
			}
			times = append(times, time.Since(began))
		}
		seconds[e.name] = median(times).Seconds()
	}
	return seconds, nil
}
