// Package upscale enlarges pictures with networks such as Real-ESRGAN's (arXiv:2107.10833), tile by tile.
package upscale

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/vision19/vision/sdk/onnx"
)

// Model is the networks of a folder, by their scale.
type Model struct{ files map[int]file }

// file is a network of the model folder: one input [1, 3, H, W] and one output [1, 3, scale*H, scale*W], RGB in [0, 1], as Real-ESRGAN's
// networks are exported.
type file struct {
	path    string
	scale   int // 2, 4
	weights int64
	side    int // of its input, where the export fixed it; 0 is any
	note    string
}

var scaleInName = regexp.MustCompile(`(?i)x([24])|([24])x`)

// Inspect finds the networks of a folder, or a single file's, at most one of each scale. The scale is in the file's or its folder's name:
// x2.onnx, RealESRGAN_x4plus.onnx, x4/model.onnx.
func Inspect(path string) (Model, error) {
	m := Model{files: map[int]file{}}
	info, err := os.Stat(path)
	if err != nil {
		return m, fmt.Errorf("%s is not there: name a folder with x2.onnx or x4.onnx, such as examples/models/tiny-upscale", path)
	}
	paths := []string{path}
	if info.IsDir() {
		paths = nil
		names, err := os.ReadDir(path)
		if err != nil {
			return m, fmt.Errorf("list %s: %w", path, err)
		}
		for _, n := range names {
			name := filepath.Join(path, n.Name())
			if n.IsDir() {
				name = filepath.Join(name, "model.onnx")
			}
			if _, err := os.Stat(name); err == nil && filepath.Ext(name) == ".onnx" && scaleOf(name) != 0 {
				paths = append(paths, name)
			}
		}
	}
	for _, path := range paths {
		f, err := inspectFile(path)
		if err != nil {
			return m, err
		}
		if other, twice := m.files[f.scale]; twice {
			return m, fmt.Errorf("%s and %s are both of scale %d: leave one of them in the folder", other.path, path, f.scale)
		}
		m.files[f.scale] = f
	}
	if len(m.files) == 0 {
		return m, fmt.Errorf("%s has no network: x2.onnx, x4.onnx, or model.onnx in a folder x2 or x4", path)
	}
	return m, nil
}

// Weights is how many bytes the networks' weights have.
func (m Model) Weights() int64 {
	var sum int64
	for _, f := range m.files {
		sum += f.weights
	}
	return sum
}

// Notes says what has been found, for a person.
func (m Model) Notes() []string {
	var out []string
	for _, scale := range m.scales() {
		out = append(out, m.files[scale].note)
	}
	return out
}

func (m Model) scales() []int { return slices.Sorted(maps.Keys(m.files)) }

// The bounds of a tile, in px: two overlaps and something between them, and what a network holds of it in memory.
const (
	minSide = 64
	maxSide = 1024
)

// scaleOf is the scale that a file's name says, or its folder's if it is called model.onnx; 0 is none.
func scaleOf(path string) int {
	name := filepath.Base(path)
	if name == "model.onnx" {
		name = filepath.Base(filepath.Dir(path))
	}
	m := scaleInName.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	return int((m[1] + m[2])[0] - '0')
}

func inspectFile(path string) (file, error) {
	f := file{path: path, scale: scaleOf(path)}
	if f.scale == 0 {
		return f, fmt.Errorf("%s: its name does not say the scale: call it x2 or x4, or something with that in it", path)
	}
	g, err := onnx.ReadGraph(path)
	if err == nil {
		err = g.Check(filepath.Dir(path))
	}
	if err != nil {
		return f, err
	}
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 || len(g.Inputs[0].Shape) != 4 {
		return f, fmt.Errorf("%s has %d inputs and %d outputs: an upscaling network has one of each, [batch, 3, height, width]", path, len(g.Inputs), len(g.Outputs))
	}
	in := g.Inputs[0]
	if channels, fixed := in.Fixed(1); fixed && channels != 3 {
		return f, fmt.Errorf("%s takes %d channels: 3 are given", path, channels)
	}
	if batch, fixed := in.Fixed(0); fixed && batch != 1 {
		return f, fmt.Errorf("%s takes a batch of %d: 1 is given", path, batch)
	}
	height, fixedHeight := in.Fixed(2)
	width, fixedWidth := in.Fixed(3)
	if fixedHeight != fixedWidth || height != width {
		return f, fmt.Errorf("%s takes %v: height and width are both dynamic, or both fixed and equal", path, in.Shape)
	}
	if fixedWidth && (width < minSide || width > maxSide) {
		return f, fmt.Errorf("%s is fixed at %d px a side: from %d to %d, or dynamic", path, width, minSide, maxSide)
	}
	if fixedWidth {
		f.side = int(width)
	}
	f.weights, f.note = g.WeightBytes, fmt.Sprintf("upscaling network x%d: %s", f.scale, g)
	return f, nil
}
