package arena

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestRecorded_has_every_kind(t *testing.T) {
	p, err := Recorded()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, kind := range append([]Kind{ClipSearch}, recorded...) {
		same := 0
		for range 2000 {
			look := p.Draw(rng, kind)
			if look.Same {
				same++
			}
			if look.Cosine < -1 || look.Cosine > 1 {
				t.Fatalf("%s: cosine %v", kind, look.Cosine)
			}
		}
		if most := 600; (kind == Honest) != (same > most) {
			t.Errorf("%s: %d of 2000 are the same as an honest answer", kind, same)
		}
	}
}

func TestDraw_searches_for_the_best_of_many(t *testing.T) {
	p := assumedPairs(t)
	rng := rand.New(rand.NewPCG(1, 1))
	sum := 0.0
	const n = 5000
	for range n {
		sum += p.Draw(rng, ClipSearch).Cosine
	}
	best := 0.0
	for range n {
		top := -1.0
		for range searched {
			top = max(top, p.Draw(rng, OtherSeed).Cosine)
		}
		best += top
	}
	if d := (sum - best) / n; d > 0.002 || d < -0.002 {
		t.Errorf("a search finds a cosine of %.4f, the best of %d is %.4f", sum/n, searched, best/n)
	}
	if p.Draw(rng, "unheard of") != (Look{}) {
		t.Error("a kind that is not recorded looks like something")
	}
}

func TestRead_refuses_what_is_no_file_of_pairs(t *testing.T) {
	change := func(f func(*file)) []byte {
		x := assumedFile()
		f(&x)
		return pack(t, x)
	}
	good := pack(t, assumedFile())
	if _, err := Read(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for want, packed := range map[string][]byte{
		"EOF":                    nil,
		"invalid header":         []byte("not gzip at all, but long enough for its header"),
		"unexpected EOF":         good[:len(good)/2],
		"cannot unmarshal":       pack(t, []int{1}),
		"tau is 0":               change(func(f *file) { f.Tau = 0 }),
		"tau is 1":               change(func(f *file) { f.Tau = 1 }),
		"0 rows of low-res":      change(func(f *file) { delete(f.Pairs, "low-res") }),
		"32769 rows of honest":   change(func(f *file) { f.Pairs["honest"] = make([][]float64, maxRows+1) }),
		"row 0 of cached is []":  change(func(f *file) { f.Pairs["cached"] = [][]float64{{}} }),
		"row 1 of cached is [2 ": change(func(f *file) { f.Pairs["cached"] = [][]float64{{1, 1}, {2, 0}} }),
		"row 0 of cached is [1 ": change(func(f *file) { f.Pairs["cached"] = [][]float64{{1, 1.1}} }),
		"more than":              pack(t, strings.Repeat(" ", maxFile)),
	} {
		if _, err := Read(bytes.NewReader(packed)); !errors.Is(err, ErrPairs) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(pack(f, assumedFile()))
	f.Add(pack(f, map[string]any{"tau": 0.5, "pairs": map[string]any{"honest": [][]float64{{1}}}}))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		p, err := Read(bytes.NewReader(packed))
		if err != nil {
			if !errors.Is(err, ErrPairs) {
				t.Errorf("an error that says nothing: %v", err)
			}
			return
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for _, kind := range append([]Kind{ClipSearch}, recorded...) {
			p.Draw(rng, kind)
		}
	})
}
