package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vision19/vision/reward/compare"
)

// Labels of a pair. What is reported alone neither trains nor counts.
const (
	cheat    = 0
	honest   = 1
	reported = 2
)

// row is one pair of pictures, or of embeddings.
type row struct {
	request  int
	heldOut  bool // its prompt is: never trained on
	kind     string
	label    int
	features []float64
}

// unseen are the kinds that no model is trained on: what is said of them is said of cheats and of noise that nobody has thought of.
var unseen = []string{"edited", "blended", "fp16", "tile"}

// reportedKinds neither train nor count: neither honest nor a cheat, or too near to call.
var reportedKinds = map[string]bool{"int8": true, "three-quarter-steps": true, "replayed": true}

// heldOut tells by the prompt, so that no picture of it is on both sides. One in three is.
func heldOut(prompt string) bool { return crc32.ChecksumIEEE([]byte(prompt))%3 == 0 }

// table is what a table of rows says of itself.
type table struct {
	Kinds    []string `json:"kinds"`
	Unseen   []string `json:"unseen"`
	Features []string `json:"features"`
	Rows     int      `json:"rows"`
}

// head is how many numbers stand before a row's features: request, held out, kind, label.
const head = 4

// rows collects pairs. Add is safe for concurrent use.
type rows struct {
	mu  sync.Mutex
	all []row
}

func (w *rows) add(more ...row) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, more...)
}

// write writes DIR/NAME.json and DIR/NAME.f32, little-endian float32 that NumPy reads in one call, in an order that does not depend on the workers'.
func (w *rows) write(dir, name string) error {
	slices.SortStableFunc(w.all, func(a, b row) int { return a.request - b.request })
	t := table{Features: compare.Names(), Unseen: unseen, Rows: len(w.all)}
	for _, r := range w.all {
		if !slices.Contains(t.Kinds, r.kind) {
			t.Kinds = append(t.Kinds, r.kind)
		}
	}
	slices.Sort(t.Kinds)
	f, err := os.Create(filepath.Join(dir, name+".f32"))
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	for _, r := range w.all {
		values := []float64{float64(r.request), 0, float64(slices.Index(t.Kinds, r.kind)), float64(r.label)}
		if r.heldOut {
			values[1] = 1
		}
		for _, v := range append(values, r.features...) {
			if err := binary.Write(out, binary.LittleEndian, math.Float32bits(float32(v))); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	about, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".json"), about, 0o644)
}

// readRows reads what write has written.
func readRows(dir, name string) (table, []row, error) {
	var t table
	about, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err == nil {
		err = json.Unmarshal(about, &t)
	}
	if err != nil {
		return t, nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, name+".f32"))
	if err != nil {
		return t, nil, err
	}
	width := head + len(t.Features)
	if len(data) != 4*width*t.Rows {
		return t, nil, fmt.Errorf("%s.f32 has %d bytes, its table says %d rows of %d numbers", name, len(data), t.Rows, width)
	}
	out := make([]row, t.Rows)
	for i := range out {
		v := make([]float64, width)
		for k := range v {
			v[k] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*(i*width+k):])))
		}
		out[i] = row{request: int(v[0]), heldOut: v[1] == 1, kind: t.Kinds[int(v[2])], label: int(v[3]), features: v[head:]}
	}
	return t, out, nil
}
