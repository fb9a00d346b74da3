package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vision19/vision/reward"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/sdk/imaging"
)

// compareOverPython compares two files of 512 x 512 px, from their bytes to the probability that they come from the same parameters, with the same
// work in Python. Both run on one thread. The two files differ by single steps in some pixels, as those of two GPUs do.
func compareOverPython(ctx context.Context) ([]row, error) {
	const side, turns = 512, 60
	model, err := compare.Shipped(compare.Image)
	if err != nil {
		return nil, err
	}
	var files [2][]byte
	var paths [2]string
	for i := range files {
		rgb := drawn(side)
		for k := 0; k < i*len(rgb); k += 97 {
			rgb[k] ^= 1
		}
		if files[i], err = imaging.EncodePNG(rgb, side, side, 3); err != nil {
			return nil, err
		}
		paths[i] = filepath.Join(work, fmt.Sprintf("compare-%d.png", i))
		if err := os.WriteFile(paths[i], files[i], 0o644); err != nil {
			return nil, err
		}
	}
	ask, stop, err := startPeer(ctx, paths)
	if err != nil {
		return nil, err
	}
	defer stop()
	var ours, theirs []time.Duration
	for i := range turns + 5 { // the first ones warm up
		began := time.Now()
		p, err := compareFiles(model, files)
		if err != nil {
			return nil, err
		}
		took := time.Since(began)
		seconds, q, err := ask()
		if err != nil {
			return nil, err
		}
		if math.Abs(p-q) > 1e-4 {
			return nil, fmt.Errorf("compare: the probability is %g, Python's %g", p, q)
		}
		if i >= 5 {
			ours, theirs = append(ours, took), append(theirs, time.Duration(seconds*float64(time.Second)))
		}
	}
	peer := fmt.Sprintf("Pillow, NumPy, SciPy, PyWavelets, XGBoost in Python, median %.0f ms", 1000*median(theirs).Seconds())
	return []row{below("compare_over_python", ratio(median(ours), median(theirs)), 0.2, peer)}, nil
}

func compareFiles(model *compare.Model, files [2][]byte) (float64, error) {
	var pictures [2]*compare.Picture
	for i, data := range files {
		var err error
		if pictures[i], err = compare.ReadPicture(data, nil); err != nil {
			return 0, err
		}
	}
	v, err := model.Compare(pictures[0], pictures[1], 1)
	return v.Probability, err
}

// startPeer starts the comparison in Python. Each ask is one comparison: how long it took in seconds, by Python's own clock, and the probability.
func startPeer(ctx context.Context, paths [2]string) (ask func() (seconds, probability float64, err error), stop func(), err error) {
	const python, packages = "/usr/bin/python3", "python3-pil python3-numpy python3-scipy python3-pywt python3-xgboost"
	if out, err := exec.CommandContext(ctx, python, "-c", "import PIL, numpy, scipy, pywt, xgboost").CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("the peer of compare_over_python: apt-get install %s: %w\n%s", packages, err, out)
	}
	folder := filepath.Join("reward", "compare")
	cmd := exec.CommandContext(ctx, python, filepath.Join(folder, "testdata", "peer.py"), "time",
		filepath.Join(folder, "models", "image.xgboost.json"), paths[0], paths[1])
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start Python: %w", err)
	}
	lines := bufio.NewReader(out)
	ask = func() (seconds, probability float64, err error) {
		if _, err = io.WriteString(in, "\n"); err == nil {
			_, err = fmt.Fscan(lines, &seconds, &probability)
		}
		if err != nil {
			err = fmt.Errorf("the comparison in Python: %w", err)
		}
		return seconds, probability, err
	}
	return ask, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// scoring is the time from the tallies of a full subnet to its weights.
func scoring(context.Context) ([]row, error) {
	const miners, tasks, periods = 256, 7, 30
	rules, err := reward.Preset("vision")
	if err != nil {
		return nil, err
	}
	var window [tasks][miners][]reward.Tally
	for t := range window {
		for m := range window[t] {
			for p := range int64(periods) {
				seat := 0.5 + 0.5*float64((t+m+int(p))%7)/6
				window[t][m] = append(window[t][m], reward.Tally{
					Period: p, Answers: 5, Doubt: 1 - seat, Organic: reward.Sum{Seats: 2, Total: 2 * seat}, Synthetic: reward.Sum{Seats: 3, Total: 3 * seat},
				})
			}
		}
	}
	var times []time.Duration
	for range 31 {
		began := time.Now()
		var earned [tasks]reward.Task
		for t := range window {
			earned[t] = reward.Task{Weight: 1, Miners: make([]float64, miners)}
			for m, tallies := range window[t] {
				earned[t].Miners[m] = rules.Weight(rules.Assess(tallies, periods-1))
			}
		}
		if _, err := reward.Total(earned[:]); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return []row{{Name: "score_256x7x30", Value: 1000 * median(times).Seconds(), Unit: "ms", Holds: true, Peer: "nothing"}}, nil
}
