package arena

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"
)

var write = flag.Bool("write", false, "write the assumed distributions to pairs.json.gz, where no recorded ones are at hand")

// assumed are distributions that were assumed when the rules were chosen: of each kind the mean and deviation of the cosine, and the share that
// the reward model takes for the same.
var assumed = []struct {
	kind        Kind
	mean, sd    float64
	sameInThous int
}{
	{Honest, 0.998, 0, 999}, {HalfSteps, 0.98, 0.008, 20}, {OtherCheckpoint, 0.94, 0.03, 10}, {OtherSeed, 0.88, 0.04, 2}, {OtherPrompt, 0.5, 0, 0},
	{LowRes, 0.97, 0.015, 20}, {Cached, 0.88, 0.04, 2},
}

// assumedFile makes a thousand rows of each kind: the quantiles of its cosine, and what passes spread over them.
func assumedFile() file {
	f := file{Features: []string{"assumed"}, Tau: 0.5, Pairs: map[string][][]float64{}}
	for _, a := range assumed {
		const n = 1000
		rows := make([][]float64, n)
		for i := range n {
			q := (float64(i) + 0.5) / n
			cosine := min(1, a.mean+a.sd*math.Sqrt2*math.Erfinv(2*q-1))
			p := 0.1
			if i*347%n < a.sameInThous { // 347 and 1000 have no common factor
				p = 0.9
			}
			rows[i] = []float64{p, math.Round(cosine*1e4) / 1e4}
		}
		f.Pairs[string(a.kind)] = rows
	}
	return f
}

func assumedPairs(t testing.TB) *Pairs {
	t.Helper()
	p, err := assumedFile().pairs()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pack is a file as it is stored.
func pack(t testing.TB, f any) []byte {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAssumed_is_what_the_rules_were_chosen_with(t *testing.T) {
	if *write {
		if err := os.WriteFile("pairs.json.gz", pack(t, assumedFile()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := assumedPairs(t)
	for _, a := range assumed {
		same, sum, square := 0, 0.0, 0.0
		for _, l := range p.looks[a.kind] {
			if l.Same {
				same++
			}
			sum, square = sum+l.Cosine, square+l.Cosine*l.Cosine
		}
		mean := sum / 1000
		if sd := math.Sqrt(max(0, square/1000-mean*mean)); same != a.sameInThous || math.Abs(mean-a.mean) > 0.002 || math.Abs(sd-a.sd) > 0.003 {
			t.Errorf("%s: %d the same, cosine %.4f deviating by %.4f", a.kind, same, mean, sd)
		}
	}
}
