// Package rows holds labelled pairs of answers: what reward models learn from, and how well one does on those that it has not seen.
package rows

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/vision19/vision/reward/compare"
)

// Label says what a pair is.
type Label int

// The labels, as fit.py knows them.
const (
	Cheat    Label = 0
	Honest   Label = 1
	Reported Label = 2 // neither trains nor counts
)

// Row is one pair of pictures, or of embeddings.
type Row struct {
	Request  int    // pairs of one request are never on both sides of a fold
	HeldOut  bool   // never trained on
	Kind     string // of what the other answer is
	Label    Label
	Features []float64 // of compare.Names, NaN where there is none
}

// unseen are the kinds that no model is trained on: what is said of them is said of cheats and of noise that nobody has thought of.
var unseen = []string{"edited", "blended", "plain", "tile"}

// Unseen tells whether no model is trained on a kind.
func Unseen(kind string) bool { return slices.Contains(unseen, kind) }

// Emulated is a kind of honest pairs that is trained on and counted apart: half precision in every single operation, rounded in software. No GPU has
// shown yet whether its noise is as strong.
const Emulated = "half"

// Trains tells whether fit.py learns from the row.
func (r Row) Trains() bool {
	return !r.HeldOut && r.Label != Reported && !slices.Contains(unseen, r.Kind)
}

// HeldOut tells by the prompt, so that no picture of it is on both sides. One in three is.
func HeldOut(prompt string) bool { return crc32.ChecksumIEEE([]byte(prompt))%3 == 0 }

// about is what a table of rows says of itself.
type about struct {
	Kinds    []string           `json:"kinds"`
	Unseen   []string           `json:"unseen"`
	Apart    []string           `json:"apart"` // honest, but the threshold is not set by it
	Bars     map[string]float64 `json:"bars"`  // by kind: the threshold holds the worst error as far below its bar as it can
	Features []string           `json:"features"`
	Rows     int                `json:"rows"`
	Weights  map[string]float64 `json:"weights,omitempty"` // of a kind's rows in training; 1 where it is missing
}

// head is how many numbers stand before a row's features: request, held out, kind, label.
const head = 4

// ErrTable is a table that does not hold what it says.
var ErrTable = errors.New("not a table of rows")

// kindsOf lists the kinds of rows in their order.
func kindsOf(all []Row) (kinds []string) {
	seen := map[string]bool{}
	for _, r := range all {
		if !seen[r.Kind] {
			seen[r.Kind] = true
			kinds = append(kinds, r.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// Write writes a table of one kind of models as fit.py reads it: JSON, and little-endian float32. Weights are by kind of rows and may be nil.
func Write(header, data io.Writer, of compare.Kind, all []Row, weights map[string]float64) error {
	t := about{Kinds: kindsOf(all), Unseen: unseen, Apart: []string{Emulated}, Bars: bars[of], Features: compare.Names(), Rows: len(all), Weights: weights}
	out := bufio.NewWriter(data)
	for _, r := range all {
		values := []float64{float64(r.Request), 0, float64(slices.Index(t.Kinds, r.Kind)), float64(r.Label)}
		if r.HeldOut {
			values[1] = 1
		}
		for _, v := range append(values, r.Features...) {
			if err := binary.Write(out, binary.LittleEndian, math.Float32bits(float32(v))); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	_, err = header.Write(text)
	return err
}

// Read reads what Write has written. The error is ErrTable.
func Read(header, data []byte) ([]Row, error) {
	var t about
	if err := json.Unmarshal(header, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTable, err)
	}
	if !slices.Equal(t.Features, compare.Names()) {
		return nil, fmt.Errorf("%w: its features are %q; this version's are %q", ErrTable, t.Features, compare.Names())
	}
	width := head + len(t.Features)
	if t.Rows < 0 || len(data)%(4*width) != 0 || len(data)/(4*width) != t.Rows {
		return nil, fmt.Errorf("%w: it has %d bytes, and says that it has %d rows of %d numbers", ErrTable, len(data), t.Rows, width)
	}
	out := make([]Row, t.Rows)
	for i := range out {
		v := make([]float64, width)
		for k := range v {
			v[k] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*(i*width+k):])))
		}
		if !(v[2] >= 0 && v[2] < float64(len(t.Kinds))) {
			return nil, fmt.Errorf("%w: row %d is of kind %g; there are %d", ErrTable, i, v[2], len(t.Kinds))
		}
		out[i] = Row{Request: int(v[0]), HeldOut: v[1] == 1, Kind: t.Kinds[int(v[2])], Label: Label(v[3]), Features: v[head:]}
	}
	return out, nil
}
