package noise

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// tolerance of normal numbers: what PyTorch's own paths differ by.
const tolerance = 2e-6

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// call is one of torch, made with PyTorch 1.13.1 on a CPU with AVX2; of long results the ends are kept.
type call struct {
	Kind        string    `json:"kind"`
	Count       int       `json:"count"`
	Low         int64     `json:"low"`
	High        int64     `json:"high"`
	First, Last []float64 // numbers up to 2^40, exact in float64
}

func (c call) made(g *Torch) []float64 {
	values := make([]float64, c.Count)
	if c.Kind == "randint" {
		integers := make([]int64, c.Count)
		g.Integers(integers, c.Low, c.High)
		for i, v := range integers {
			values[i] = float64(v)
		}
		return values
	}
	numbers := make([]float32, c.Count)
	if c.Kind == "rand" {
		g.Uniform(numbers)
	} else {
		g.Normal(numbers)
	}
	for i, v := range numbers {
		values[i] = float64(v)
	}
	return values
}

func TestTorch_gives_the_numbers_of_PyTorch(t *testing.T) {
	var golden []struct {
		Seed    uint64   `json:"seed"`
		Streams [][]call `json:"streams"` // the generator is seeded before each
	}
	readGolden(t, "torch.json", &golden)
	worst := 0.0
	for _, g := range golden {
		for _, stream := range g.Streams {
			torch := NewTorch(g.Seed)
			for i, c := range stream {
				what := fmt.Sprintf("seed %d, %s of %d, call %d", g.Seed, c.Kind, c.Count, i)
				got := c.made(torch)
				worst = max(worst, compare(t, what, c.Kind, got[:len(c.First)], c.First))
				worst = max(worst, compare(t, what+", end", c.Kind, got[c.Count-len(c.Last):], c.Last))
			}
		}
	}
	t.Logf("largest deviation of normal numbers %.2g", worst)
}

func compare(t *testing.T, what, kind string, got, want []float64) float64 {
	t.Helper()
	worst := 0.0
	for i, w := range want {
		off := math.Abs(got[i] - w)
		switch {
		case kind == "randint" && off != 0, kind == "rand" && float32(got[i]) != float32(w), !(off <= tolerance) && kind == "randn":
			t.Fatalf("%s, number %d: %v, want %v", what, i, got[i], w)
		case kind == "randn":
			worst = max(worst, off)
		}
	}
	return worst
}

// The 10000th number of the default seed is the one that the C++ standard requires of std::mt19937.
func TestTorch_is_the_Mersenne_Twister_of_the_standards(t *testing.T) {
	g := NewTorch(5489)
	for range 9999 {
		g.Uint32()
	}
	if got := g.Uint32(); got != 4123659995 {
		t.Errorf("number 10000 is %d, want 4123659995", got)
	}
}

func TestTorch_Integers_covers_the_whole_of_int64(t *testing.T) {
	raw, g := NewTorch(3), NewTorch(3)
	got := make([]int64, 100)
	g.Integers(got, math.MinInt64, math.MaxInt64)
	for i, v := range got {
		if want := int64(raw.Uint64()%math.MaxUint64 + 1<<63); v != want {
			t.Fatalf("number %d: %d, want %d", i, v, want)
		}
	}
}

func TestTorch_Integers_refuses_an_empty_range(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewTorch(0).Integers(make([]int64, 1), 5, 5)
}

func TestPhilox_gives_the_known_answers_of_Random123(t *testing.T) {
	var golden struct {
		Answers []struct {
			Counter [4]uint32 `json:"counter"`
			Key     [2]uint32 `json:"key"`
			Output  [4]uint32 `json:"output"`
		} `json:"known_answers"`
	}
	readGolden(t, "philox.json", &golden)
	if len(golden.Answers) == 0 {
		t.Fatal("no known answers")
	}
	for _, a := range golden.Answers {
		if got := philox4x32(a.Counter, a.Key); got != a.Output {
			t.Errorf("counter %v, key %v: %v, want %v", a.Counter, a.Key, got, a.Output)
		}
	}
}

func TestPhilox_gives_the_numbers_of_CUDA(t *testing.T) {
	type row struct {
		Seed   uint64    `json:"seed"`
		Offset int       `json:"offset"` // calls before
		Values []float64 `json:"values"`
	}
	var golden struct {
		Published row   `json:"published"` // from a GPU
		Derived   []row `json:"derived"`   // by the same recipe
	}
	readGolden(t, "philox.json", &golden)
	worst := 0.0
	for _, r := range append(golden.Derived, golden.Published) {
		p := NewPhilox(r.Seed)
		got := make([]float32, len(r.Values))
		for range r.Offset + 1 {
			p.Normal(got)
		}
		for i, want := range r.Values {
			off := math.Abs(float64(got[i]) - want)
			if !(off <= tolerance) {
				t.Fatalf("seed %d, offset %d, number %d: %v, want %v", r.Seed, r.Offset, i, got[i], want)
			}
			worst = max(worst, off)
		}
	}
	t.Logf("largest deviation %.2g", worst)
}

func TestNormal_has_mean_0_and_variance_1(t *testing.T) {
	for name, normal := range map[string]func([]float32){"torch": NewTorch(1).Normal, "philox": NewPhilox(1).Normal} {
		const n = 1 << 16
		values := make([]float32, n)
		normal(values)
		sum, squares := 0.0, 0.0
		for _, v := range values {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		// Six standard errors.
		if mean, variance := sum/n, squares/n; math.Abs(mean) > 6/math.Sqrt(n) || math.Abs(variance-1) > 6*math.Sqrt(2./n) {
			t.Errorf("%s: mean %v, variance %v", name, mean, variance)
		}
	}
}

func BenchmarkTorchNormal(b *testing.B) {
	g, latent := NewTorch(0), make([]float32, 4*64*64)
	for b.Loop() {
		g.Normal(latent)
	}
}
