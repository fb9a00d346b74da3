package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
)

// row is one line of the report, in the form of the bench's.
type row struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Bar   *float64 `json:"bar"`
	Holds bool     `json:"holds"`
	Peer  string   `json:"peer"`
	Seeds string   `json:"seeds"`
}

// rows sums the results up, one row a measure.
func (s suite) rows(results []result) []row {
	var out []row
	for _, m := range s.measures {
		r := row{Name: m.name, Unit: m.unit, Peer: m.peer, Seeds: fmt.Sprintf("0..%d", s.cases-1)}
		sum, least, n := 0.0, math.Inf(1), 0
		for _, result := range results {
			if mark, ok := result.marks[m.name]; ok {
				sum, least, n = sum+mark, min(least, mark), n+1
			}
		}
		switch {
		case n == 0: // nothing was measured: no value that holds
		case m.least:
			r.Value = least
		default:
			r.Value = sum / float64(n)
		}
		r.Holds = m.bar == 0 || r.Value >= m.bar
		if m.bar > 0 {
			r.Bar = &m.bar
		}
		out = append(out, r)
	}
	return out
}

const lineFormat = "%-30s %8s %-6s %6s  %s\n"

func printHeader(w io.Writer) { fmt.Fprintf(w, lineFormat, "ROW", "VALUE", "UNIT", "BAR", "HOLDS") }

func (r row) print(w io.Writer) {
	bar, holds := "-", "-"
	if r.Bar != nil {
		bar, holds = fmt.Sprintf("%.2f", *r.Bar), "yes"
	}
	if !r.Holds {
		holds = "NO"
	}
	fmt.Fprintf(w, lineFormat, r.Name, fmt.Sprintf("%.3f", r.Value), r.Unit, bar, holds)
}

// save writes the rows so far to bin/eval/eval.json, and a suite's contact sheet to bin/eval/ENDPOINT.png.
func save(rows []row, endpoint string, sheet image.Image) error {
	data, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, sheet); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(out+"/eval.json", append(data, '\n'), 0o644), os.WriteFile(out+"/"+endpoint+".png", picture.Bytes(), 0o644))
}
