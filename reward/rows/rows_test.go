package rows

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vision19/vision/reward/arena"
	"github.com/vision19/vision/reward/compare"
)

// made are rows of n requests: two honest ones and one of each kind of cheat.
func made(n int) (out []Row) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		for _, kind := range []string{"plain", "fp16", "half-steps", "other-checkpoint", "other-seed", "other-prompt", "low-res", "cached", "int8"} {
			r := Row{Request: i, HeldOut: HeldOut(fmt.Sprint("prompt ", i)), Kind: kind, Label: Cheat}
			switch kind {
			case "plain", "fp16":
				r.Label = Honest
			case "int8":
				r.Label = Reported
			}
			for range compare.Names() {
				r.Features = append(r.Features, rng.ExpFloat64()*math.Pow(10, float64(rng.IntN(6)-4)))
			}
			if i%3 == 0 {
				r.Features[20] = math.NaN()
			}
			out = append(out, r)
		}
	}
	return out
}

// alike compares rows whose features were rounded by at most a share.
func alike(t *testing.T, got, want []Row, share float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows of %d", len(got), len(want))
	}
	for i, a := range got {
		b := want[i]
		same := slices.EqualFunc(a.Features, b.Features, func(x, y float64) bool {
			return math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= share*math.Abs(y)
		})
		a.Features, b.Features = nil, nil
		if fmt.Sprint(a) != fmt.Sprint(b) || !same {
			t.Fatalf("row %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestRead_reads_what_Write_has_written(t *testing.T) {
	want := made(20)
	var header, data bytes.Buffer
	if err := Write(&header, &data, compare.Image, want, map[string]float64{"plain": 5}); err != nil {
		t.Fatal(err)
	}
	got, err := Read(header.Bytes(), data.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	alike(t, got, want, 1e-7)
	if !strings.Contains(header.String(), `"plain": 5`) {
		t.Errorf("%s", header.String())
	}
	for name, broken := range map[string][2][]byte{
		"no JSON":        {[]byte("x"), data.Bytes()},
		"a row too few":  {header.Bytes(), data.Bytes()[4*24:]},
		"other features": {bytes.Replace(header.Bytes(), []byte("phash"), []byte("khash"), 1), data.Bytes()},
		"other kinds":    {header.Bytes(), bytes.Repeat([]byte{0, 0, 0xc0, 0x42}, data.Len()/4)},
	} {
		if _, err := Read(broken[0], broken[1]); !errors.Is(err, ErrTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecode_reads_what_Encode_has_written_to_four_digits(t *testing.T) {
	want := made(200)
	var packed bytes.Buffer
	if err := Encode(&packed, want); err != nil {
		t.Fatal(err)
	}
	size := packed.Len()
	got, err := Decode(&packed)
	if err != nil {
		t.Fatal(err)
	}
	alike(t, got, want, 1.3e-4)
	if perRow := size / len(want); perRow > 52 { // 20 features of at most 21 bits
		t.Errorf("%d bytes a row", perRow)
	}
	for i := range 65 { // distances in bits stay what they are
		want[i].Features[0], want[i].Features[5] = float64(i), float64(4*i)
	}
	if err := Encode(&packed, want); err != nil {
		t.Fatal(err)
	}
	if got, err = Decode(&packed); err != nil {
		t.Fatal(err)
	}
	for i := range 65 {
		if got[i].Features[0] != float64(i) || got[i].Features[5] != float64(4*i) {
			t.Errorf("%g and %g", got[i].Features[0], got[i].Features[5])
		}
	}
}

func TestDecode_refuses_what_is_no_sample(t *testing.T) {
	for name, x := range map[string]struct {
		spoil func(all []Row)
		says  string
	}{
		"infinite":      {func(all []Row) { all[3].Features[2] = math.Inf(1) }, "row 3 has an infinite dhash"},
		"a wrong label": {func(all []Row) { all[3].Label = 3 }, "label 3"},
		"a far request": {func(all []Row) { all[3].Request = 1 << 25 }, "request 33554432"},
	} {
		all := made(2)
		x.spoil(all)
		var packed bytes.Buffer
		if err := Encode(&packed, all); err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(&packed); !errors.Is(err, ErrSample) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var none bytes.Buffer
	if err := Encode(&none, nil); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("kinds"), "no rows": none.Bytes()} {
		if _, err := Decode(bytes.NewReader(data)); !errors.Is(err, ErrSample) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSample_takes_evenly_from_requests_and_kinds(t *testing.T) {
	all := made(400)
	some := Sample(all, 900)
	if n := len(some); n > 909 || n < 891 {
		t.Errorf("%d of 900", n)
	}
	kinds, halves := map[string]int{}, [2]int{}
	for _, r := range some {
		kinds[r.Kind]++
		halves[r.Request/200]++
	}
	for kind, n := range kinds {
		if n < 99 || n > 101 {
			t.Errorf("%d of %s", n, kind)
		}
	}
	if len(kinds) != 9 || halves[0]-halves[1] > 18 || halves[1]-halves[0] > 18 {
		t.Errorf("%d kinds, %d of the first half, %d of the second", len(kinds), halves[0], halves[1])
	}
	if rare := Sample(append(all, Row{Kind: "rare"}), 90); !slices.ContainsFunc(rare, func(r Row) bool { return r.Kind == "rare" }) {
		t.Error("what is rare is lost")
	}
	if few := Sample(all[:5], 10); len(few) != 5 {
		t.Errorf("%d of 5", len(few))
	}
}

func TestHeldOut_is_one_prompt_in_three(t *testing.T) {
	n := 0
	for i := range 3000 {
		if HeldOut(fmt.Sprint("a red circle ", i)) {
			n++
		}
	}
	if n < 900 || n > 1100 {
		t.Errorf("%d of 3000", n)
	}
}

func FuzzDecode(f *testing.F) {
	var packed bytes.Buffer
	if err := Encode(&packed, made(1)); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Add(packed.Bytes()[:packed.Len()/2])
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Decode(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrSample) {
				t.Fatal(err)
			}
			return
		}
		var again bytes.Buffer
		if err := Encode(&again, all); err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(&again); err != nil && !strings.Contains(err.Error(), "infinite") { // the largest numbers round to infinity
			t.Fatal(err)
		}
	})
}

func FuzzRead(f *testing.F) {
	var header, data bytes.Buffer
	if err := Write(&header, &data, compare.Image, made(1), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(header.Bytes(), data.Bytes())
	f.Fuzz(func(t *testing.T, header, data []byte) {
		if _, err := Read(header, data); err != nil && !errors.Is(err, ErrTable) {
			t.Fatal(err)
		}
	})
}

// scored gives every row that is held out a probability.
func scored(all []Row, p func(Row) float64) (out []Scored) {
	for _, r := range all {
		if r.HeldOut {
			out = append(out, Scored{r, p(r)})
		}
	}
	return out
}

func TestWriteGallery_is_what_the_arena_reads(t *testing.T) {
	var packed bytes.Buffer
	s := scored(made(60), func(r Row) float64 { return 0.9 * float64(r.Label&1) })
	for i := range s {
		if x := &s[i].Features[20]; !math.IsNaN(*x) {
			*x = min(*x, 1)
		}
	}
	if err := WriteGallery(&packed, compare.Card{Tau: 0.5, Features: compare.Names()}, s); err != nil {
		t.Fatal(err)
	}
	g, err := arena.Read(&packed)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	if !g.Draw(rng, arena.Honest).Same || g.Draw(rng, arena.HalfSteps).Same {
		t.Error("honest pictures are the same, those of half the steps are not")
	}
}
