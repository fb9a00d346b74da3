package retrain

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/gbdt"
	"github.com/vision19/vision/reward/rows"
)

//go:embed fit.py
var fitScript []byte

// DefaultPython is Debian's, for which Debian packages XGBoost.
const DefaultPython = "/usr/bin/python3"

// ErrPython is a Python that cannot train.
var ErrPython = errors.New("training needs Python with XGBoost and NumPy: apt-get install python3-xgboost python3-numpy")

// fit has XGBoost learn from rows that are not held out. It returns the trees in XGBoost's JSON, and tau.
func fit(ctx context.Context, python string, kind compare.Kind, all []rows.Row, weights map[string]float64, progress func(string)) (trees []byte, tau float64, err error) {
	if out, err := exec.CommandContext(ctx, python, "-I", "-c", "import numpy, xgboost").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return nil, 0, errors.Join(ctx.Err(), fmt.Errorf("%w (%w: %s)", ErrPython, err, lines[len(lines)-1]))
	}
	dir, err := os.MkdirTemp("", "vision-retrain-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	path := func(name string) string { return filepath.Join(dir, name) }
	var header, data bytes.Buffer
	err = rows.Write(&header, &data, kind, all, weights)
	for name, content := range map[string][]byte{"fit.py": fitScript, "rows.json": header.Bytes(), "rows.f32": data.Bytes()} {
		err = errors.Join(err, os.WriteFile(path(name), content, 0o600))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("train: %w", err)
	}
	if err := run(exec.CommandContext(ctx, python, "-I", "-B", path("fit.py"), path("rows.json"), path("model.json")), progress); err != nil {
		return nil, 0, errors.Join(ctx.Err(), fmt.Errorf("train: %w", err))
	}
	trees, err = readAtMost(path("model.json"), gbdt.MaxBytes)
	if err != nil {
		return nil, 0, fmt.Errorf("train: %w", err)
	}
	text, err := os.ReadFile(path("model.tau"))
	if err == nil {
		tau, err = strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("train: tau: %w", err)
	}
	return trees, tau, nil
}

// run runs the script. What it says of its course is progress, the last other line is what went wrong.
func run(script *exec.Cmd, progress func(string)) error {
	out, err := script.StderrPipe()
	if err != nil {
		return err
	}
	if err := script.Start(); err != nil {
		return err
	}
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "fit: ") {
			progress(line)
		} else if strings.TrimSpace(line) != "" {
			last = line
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line that was too long ends the loop, and must not hold up the script
	if err := script.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, last)
	}
	return nil
}
