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
	"slices"
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

// turn is how long each of the two runs before it is the other's turn: long enough that taking turns does not count.
const turn = 100 * time.Millisecond

// replay has both replay a recording, turn by turn, and returns what one replay takes. Each is a process of its own, so that neither has
// what the bench did before in its memory.
func replay(ctx context.Context, name string, runs []sessionRun) (ours, theirs []time.Duration, err error) {
	data, err := json.Marshal(runs)
	if err != nil {
		return nil, nil, err
	}
	recording := name + ".json"
	err = errors.Join(os.WriteFile(filepath.Join(nodeDir, recording), data, 0o644), os.WriteFile(filepath.Join(nodeDir, "replay.mjs"), nodeReplay, 0o644))
	if err != nil {
		return nil, nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	us, stop, err := startReplay(exec.CommandContext(ctx, program, replayArgument, recording))
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	them, stop, err := startReplay(exec.CommandContext(ctx, "node", "replay.mjs", recording))
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	once, err := us(1)
	if err != nil {
		return nil, nil, err
	}
	times := max(1, int(turn/once))
	for round := range 27 {
		// Whoever comes second finds the processor as the first left it: they take turns at that too.
		order := []func(int) (time.Duration, error){us, them}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		a, err := order[0](times)
		if err != nil {
			return nil, nil, err
		}
		b, err := order[1](times)
		if err != nil {
			return nil, nil, err
		}
		if round%2 == 1 {
			a, b = b, a
		}
		if round > 1 { // the first ones warm up
			ours, theirs = append(ours, a), append(theirs, b)
		}
	}
	return ours, theirs, nil
}

// replayArgument makes this program replay the recording that follows it, with the protocol of replay.mjs.
const replayArgument = "replay"

// serveReplay replays a recording with sdk/onnx: for every number on stdin so many times, and prints the milliseconds.
func serveReplay(ctx context.Context, recording string) error {
	data, err := os.ReadFile(recording)
	if err != nil {
		return err
	}
	var runs []sessionRun
	if err := json.Unmarshal(data, &runs); err != nil {
		return err
	}
	sessions := map[string]*onnx.Session{}
	for _, r := range runs {
		if sessions[r.File] == nil {
			if sessions[r.File], err = onnx.Load(r.File, onnx.Options{Threads: 1}); err != nil {
				return err
			}
		}
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		times, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		began := time.Now()
		for range times {
			for _, r := range runs {
				if _, err := sessions[r.File].Run(ctx, zeros(r), nil); err != nil {
					return err
				}
			}
		}
		fmt.Println(float64(time.Since(began)) / float64(time.Millisecond))
	}
	return nil
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

var errEnded = errors.New("a replay has ended; its messages are above")

// startReplay starts a program that replays; each call of the result replays so many times and returns what one takes.
func startReplay(cmd *exec.Cmd) (replay func(times int) (time.Duration, error), stop func(), err error) {
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
		return nil, nil, fmt.Errorf("start a replay: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		stop()
		return nil, nil, errEnded
	}
	return func(times int) (time.Duration, error) {
		if _, err := fmt.Fprintln(in, times); err != nil {
			return 0, err
		}
		if !lines.Scan() {
			return 0, errEnded
		}
		ms, err := strconv.ParseFloat(lines.Text(), 64)
		return time.Duration(ms*float64(time.Millisecond)) / time.Duration(times), err
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
