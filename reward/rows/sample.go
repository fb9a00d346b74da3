package rows

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/vision19/vision/reward/compare"
)

// Sample takes at most n rows evenly over the requests, and of every kind the same share, at least one.
func Sample(all []Row, n int) []Row {
	if len(all) <= n {
		return all
	}
	share := float64(n) / float64(len(all))
	seen := map[string]int{}
	var out []Row
	for _, r := range all {
		k := float64(seen[r.Kind])
		seen[r.Kind]++
		if k == 0 || math.Floor(share*k) > math.Floor(share*(k-1)) {
			out = append(out, r)
		}
	}
	return out
}

// The bounds of a sample that is read.
const (
	MaxRows     = 1 << 16 // what is shipped has a third of it
	maxKinds    = 256     // a byte holds one
	maxPreamble = 1 << 16 // bytes
	maxRequest  = 1 << 24 // float32, in which fit.py takes it, counts as far
)

// dropped is how many bits of a float32 a sample is without: twelve of the fraction are left, which are more than three digits.
const dropped = 11

// planes is how many bytes the rest of a float32 takes.
const planes = 3

// preamble is what a sample begins with, on a line of its own.
type preamble struct {
	Kinds    []string `json:"kinds"`
	Features []string `json:"features"`
	Rows     int      `json:"rows"`
}

// Encode writes rows in little room: gzip, of a line of JSON and of columns one after the other: requests as uint32, then a byte for kind, one for the
// label with 4 added where it is held out, then the features, rounded, by bytes of equal weight. Bytes that are alike stand together, which gzip likes.
func Encode(w io.Writer, all []Row) error {
	p := preamble{Kinds: kindsOf(all), Features: compare.Names(), Rows: len(all)}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	out := append(line, '\n')
	for _, r := range all {
		out = binary.LittleEndian.AppendUint32(out, uint32(r.Request))
	}
	for _, r := range all {
		out = append(out, byte(slices.Index(p.Kinds, r.Kind)))
	}
	for _, r := range all {
		b := byte(r.Label)
		if r.HeldOut {
			b += 4
		}
		out = append(out, b)
	}
	for i := range p.Features {
		for plane := range planes {
			for _, r := range all {
				out = append(out, byte((math.Float32bits(float32(r.Features[i]))+1<<(dropped-1))>>dropped>>(8*plane)))
			}
		}
	}
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = z.Write(out)
	return errors.Join(err, z.Close())
}

// ErrSample is what is not a sample of rows.
var ErrSample = errors.New("not a sample of rows")

// Decode reads what Encode has written. The error is ErrSample.
func Decode(r io.Reader) ([]Row, error) {
	fail := func(format string, args ...any) ([]Row, error) {
		return nil, fmt.Errorf("%w: %w", ErrSample, fmt.Errorf(format, args...))
	}
	unzip, err := gzip.NewReader(r)
	if err != nil {
		return fail("%w", err)
	}
	in := bufio.NewReaderSize(unzip, maxPreamble)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return fail("its first line: %w", err)
	}
	var p preamble
	if err := json.Unmarshal(line, &p); err != nil {
		return fail("its first line: %w", err)
	}
	switch {
	case p.Rows < 1 || p.Rows > MaxRows:
		return fail("it has %d rows; it must have 1 to %d", p.Rows, MaxRows)
	case len(p.Kinds) > maxKinds:
		return fail("it has %d kinds, more than %d", len(p.Kinds), maxKinds)
	case !slices.Equal(p.Features, compare.Names()):
		return fail("its features are %q; this version's are %q", p.Features, compare.Names())
	}
	size := p.Rows * (4 + 2 + planes*len(p.Features))
	data, err := io.ReadAll(io.LimitReader(in, int64(size)+1))
	if err != nil {
		return fail("%w", err)
	}
	if len(data) != size {
		return fail("its %d rows take %d bytes, it has fewer or more", p.Rows, size)
	}
	return p.rows(data)
}

// rows makes rows of columns of the right size.
func (p preamble) rows(data []byte) ([]Row, error) {
	n := p.Rows
	requests, kinds, labels, columns := data[:4*n], data[4*n:5*n], data[5*n:6*n], data[6*n:]
	out := make([]Row, n)
	for i := range out {
		request, kind, label := binary.LittleEndian.Uint32(requests[4*i:]), int(kinds[i]), labels[i]
		if request > maxRequest || kind >= len(p.Kinds) || label&^4 > byte(Reported) {
			return nil, fmt.Errorf("%w: row %d has request %d, kind %d, label %d", ErrSample, i, request, kind, label)
		}
		f := make([]float64, len(p.Features))
		for k := range f {
			bits := uint32(0)
			for plane := range planes {
				bits |= uint32(columns[(planes*k+plane)*n+i]) << (8 * plane)
			}
			if f[k] = float64(math.Float32frombits(bits << dropped)); math.IsInf(f[k], 0) {
				return nil, fmt.Errorf("%w: row %d has an infinite %s", ErrSample, i, p.Features[k])
			}
		}
		out[i] = Row{Request: int(request), HeldOut: label&4 != 0, Kind: p.Kinds[kind], Label: Label(label &^ 4), Features: f}
	}
	return out, nil
}
