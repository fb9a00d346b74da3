package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// reportedKinds neither train nor count: neither honest nor a cheat, or too near to call.
var reportedKinds = map[string]bool{"int8": true, "three-quarter-steps": true, "replayed": true, cameOutSame: true}

// collection collects pairs. Add is safe for concurrent use.
type collection struct {
	mu  sync.Mutex
	all []rows.Row
}

func (c *collection) add(more ...rows.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, more...)
}

// write writes DIR/KIND.json and DIR/KIND.f32, which NumPy reads in one call, in an order that does not depend on the workers'.
func (c *collection) write(dir string, kind compare.Kind) error {
	slices.SortStableFunc(c.all, func(a, b rows.Row) int { return a.Request - b.Request })
	var header, data bytes.Buffer
	if err := rows.Write(&header, &data, kind, c.all, nil); err != nil {
		return err
	}
	base := filepath.Join(dir, string(kind))
	return errors.Join(os.WriteFile(base+".f32", data.Bytes(), 0o644), os.WriteFile(base+".json", header.Bytes(), 0o644))
}

// readRows reads what write has written.
func readRows(dir, name string) ([]rows.Row, error) {
	header, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, name+".f32"))
	if err != nil {
		return nil, err
	}
	return rows.Read(header, data)
}

// bases is where the samples lie that `vision reward retrain` brings along.
const bases = "host/retrain/base"

// sampled is how many pairs of a kind are brought along: so that training takes seconds, and both files have less than a megabyte.
var sampled = map[compare.Kind]int{compare.Image: 24000, compare.Strict: 8000}

// writeBase writes the sample of a kind's pairs.
func writeBase(kind compare.Kind, all []rows.Row) error {
	var out bytes.Buffer
	if err := rows.Encode(&out, rows.Sample(all, sampled[kind])); err != nil {
		return err
	}
	if err := os.MkdirAll(bases, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bases, string(kind)+".rows.gz"), out.Bytes(), 0o644)
}
