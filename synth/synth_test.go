package synth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 19)) }

// described is an endpoint that nobody has heard of, with everything that a description can have.
func described() sdk.Description {
	return sdk.Description{
		Endpoint: "unheard-of", Version: "1",
		Inputs: []sdk.Input{
			{Name: "wish", Kind: sdk.TextInput, Required: true, MaxLength: 60}, {Name: "fear", Kind: sdk.TextInput, MaxCount: 3},
			{Name: "view", Kind: sdk.ImageInput, Required: true, MaxPixels: 120 * 90}, {Name: "part", Kind: sdk.MaskInput, Required: true, MaxPixels: 120 * 90, SameSizeAs: "view"},
			{Name: "sketch", Kind: sdk.ImageInput, Required: true, MaxPixels: 120 * 90, SameSizeAs: "view", Content: sdk.Lines},
		},
		Parameters: schema.Schema{
			{Name: "grain", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true},
			{Name: "effort", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(50), Default: int64(9), Sampling: &schema.Sampling{Min: schema.Bound(4), Max: schema.Bound(12)}},
			{Name: "edge", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(64), MultipleOf: 8, Sampling: &schema.Sampling{Min: schema.Bound(10), Max: schema.Bound(33)}},
			{Name: "force", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(2), Default: 1.0},
			{Name: "mood", Type: schema.String, Allowed: []any{"calm", "wild"}, Default: "calm", Sampling: &schema.Sampling{Values: []any{"calm", "wild"}}},
		},
		Output: sdk.Output{Kind: sdk.ImageOutput, MediaType: sdk.PNG},
	}
}

// digest stands for all of a request.
func digest(t testing.TB, r sdk.Request) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func TestRequest_is_the_same_for_the_same_random_numbers(t *testing.T) {
	make := func(seed uint64) string {
		r, err := Generator{}.Request(t.Context(), described(), random(seed))
		if err != nil {
			t.Fatal(err)
		}
		return digest(t, r)
	}
	if first, again := make(1), make(1); first != again || first == make(2) {
		t.Error("requests do not follow the random numbers")
	}
	// A change here changes every request that a seed gives: synthetic requests of old and new validators differ, and nothing else.
	if got := make(1); got != "20dded30ef01a765" {
		t.Errorf("the request of seed 1 is %s, was %s", got, "20dded30ef01a765")
	}
}

func TestRequest_keeps_to_the_description(t *testing.T) {
	d := described()
	seen := map[string]bool{}
	for seed := range uint64(60) {
		g := Generator{Seeds: Seeds{First: 1000, Last: 1999}}
		r, err := g.Request(t.Context(), d, random(seed))
		if err != nil {
			t.Fatal(err)
		}
		if n := r.Values.Int("grain"); n < 1000 || n > 1999 {
			t.Errorf("a seed of %d, out of the validator's range", n)
		}
		if n := r.Values.Int("effort"); n < 4 || n > 12 {
			t.Errorf("effort %d", n)
		}
		if n := r.Values.Int("edge"); n != 16 && n != 24 && n != 32 {
			t.Errorf("edge %d", n)
		}
		seen[r.Values.String("mood")] = true
		for _, text := range append(r.Texts["wish"], r.Texts["fear"]...) {
			if text == "" || len([]rune(text)) > maxPrompt {
				t.Errorf("text %q", text)
			}
		}
		view, _ := r.Image("view")
		part, _ := r.Image("part")
		sketch, _ := r.Image("sketch")
		if view.Width*view.Height > 120*90 || part.Width != view.Width || part.Height != view.Height || sketch.Width != view.Width || sketch.Height != view.Height {
			t.Errorf("sizes %d x %d, %d x %d, %d x %d", view.Width, view.Height, part.Width, part.Height, sketch.Width, sketch.Height)
		}
		lines, err := imaging.Read(sketch.Data, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		white := 0
		for _, v := range lines.Pix {
			if v > 127 {
				white++
			}
		}
		if share := float64(white) / float64(len(lines.Pix)); lines.Channels != 1 || share < minLines || share > maxLines {
			t.Errorf("a sketch with %d channels and %d of %d white", lines.Channels, white, len(lines.Pix))
		}
	}
	if len(seen) != 2 {
		t.Errorf("moods %v", seen)
	}
}

func TestRequest_names_what_no_request_can_hold(t *testing.T) {
	d := described()
	d.Parameters = append(d.Parameters, schema.Parameter{Name: "odd", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(7), MultipleOf: 8})
	if _, err := (Generator{}).Request(t.Context(), d, random(1)); !errors.Is(err, ErrDescription) || !strings.Contains(err.Error(), "odd") {
		t.Error(err)
	}
}

// broken is a source that is down, or sends rubbish.
type broken struct {
	image sdk.Image
	err   error
}

func (b broken) Picture(context.Context, *rand.Rand, int) (sdk.Image, error) { return b.image, b.err }

func TestRequest_does_without_a_source_that_is_down(t *testing.T) {
	huge, err := Procedural{Kind: "gradient"}.Paint(random(3), 400, 300)
	if err != nil {
		t.Fatal(err)
	}
	large, err := encode(huge)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source broken
		fails  bool
	}{
		"down": {broken{err: errors.New("no route")}, true}, "rubbish": {broken{image: sdk.Image{MediaType: sdk.PNG, Width: 9, Height: 9, Data: []byte("GIF89a")}}, true},
		"cut": {broken{image: sdk.Image{Data: large.Data[:len(large.Data)/2]}}, true}, "too large": {broken{image: large}, false},
	} {
		var failed []error
		g := Generator{Pictures: c.source, Failed: func(err error) { failed = append(failed, err) }}
		r, err := g.Request(t.Context(), described(), random(4))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(failed) > 0 != c.fails {
			t.Errorf("%s: told of %v", name, failed)
		}
		if view, _ := r.Image("view"); view.Width*view.Height > 120*90 || !c.fails && view.Width*3 < view.Height*4-8 {
			t.Errorf("%s: %d x %d", name, view.Width, view.Height)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Generator{Pictures: broken{err: ctx.Err()}}).Request(ctx, described(), random(1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPrompt_is_hardly_ever_a_caption_of_the_corpus(t *testing.T) {
	c, rng, known, distinct := Bundled(), random(1), 0, map[string]bool{}
	const n = 10_000
	for range n {
		text := c.Prompt(rng, 200)
		if len([]rune(text)) > 200 || strings.TrimSpace(text) != text || text == "" {
			t.Fatalf("%q", text)
		}
		if c.captions[text] {
			known++
		}
		distinct[text] = true
	}
	if known > n/100 || len(distinct) < n*90/100 {
		t.Errorf("%d of %d are captions of the corpus, %d are distinct", known, n, len(distinct))
	}
}

func TestBundled_corpus_is_as_large_as_promised(t *testing.T) {
	words, general := map[string]bool{}, 0
	shape := []string{"circle", "square", "triangle", "star", "ring", "heart", "cross", "diamond", "disc", "dot", "ball", "box", "donut", "plus", "rhombus"}
	for caption := range Bundled().captions {
		fields := strings.FieldsFunc(caption, func(r rune) bool { return r == ' ' || r == ',' })
		ours := false
		for _, w := range fields {
			words[w] = true
			ours = ours || slices.Contains(shape, w)
		}
		if !ours {
			general++
		}
	}
	if n := len(Bundled().captions); n < 5000 || general < 2000 || len(words) < 3000 {
		t.Errorf("%d captions, %d of general scenes, %d words", n, general, len(words))
	}
}

func TestPrompt_of_a_small_corpus_is_made_of_two_captions(t *testing.T) {
	c, err := ReadCorpus(strings.NewReader("a red boat\n\none two three four\n"))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		if text := c.Prompt(random(seed), 100); !strings.Contains(text, ", ") {
			t.Errorf("%q", text)
		}
		if text := c.Prompt(random(seed), 5); len(text) > 5 || text == "" {
			t.Errorf("%q in 5 characters", text)
		}
	}
}

func TestReadCorpus_says_what_is_wrong_and_where(t *testing.T) {
	for want, text := range map[string]string{
		"line 2 is not UTF-8": "a red boat\n\xff\xfe\xfd x y\n", "line 3 has more than": "a b c\nd e f\n" + strings.Repeat("x", MaxCaption+1) + "\n", "no line has 3 words": "a b\n\n",
	} {
		if _, err := ReadCorpus(strings.NewReader(text)); !errors.Is(err, ErrCorpus) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func FuzzReadCorpus(f *testing.F) {
	f.Add([]byte("a red boat\nb c d e\n"))
	f.Add([]byte("\xff\n\n a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadCorpus(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		if text := c.Prompt(random(1), 80); len([]rune(text)) > 80 {
			t.Errorf("%q", text)
		}
	})
}

func TestMask_is_black_and_white_and_covers_some(t *testing.T) {
	for seed := range uint64(400) {
		rng := random(seed)
		w, h := 8+rng.IntN(120), 8+rng.IntN(120)
		m := Mask(rng, w, h)
		for _, v := range m.Pix {
			if v != 0 && v != 255 {
				t.Fatalf("a value of %d", v)
			}
		}
		if c := cover(m); m.Width != w || m.Height != h || c < minCover || c > maxCover {
			t.Errorf("%d x %d: covers %.2f", w, h, c)
		}
	}
	for _, size := range [][2]int{{1, 1}, {1, 40}, {2, 2}, {3, 1}} {
		if c := cover(Mask(random(1), size[0], size[1])); c == 0 {
			t.Errorf("%v: covers nothing", size)
		}
	}
}

func TestProcedural_pictures_are_of_many_kinds_and_none_is_flat(t *testing.T) {
	if len(Kinds()) < 8 {
		t.Errorf("only %d kinds", len(Kinds()))
	}
	for _, kind := range Kinds() {
		for seed := range uint64(3) {
			p, err := Procedural{Kind: kind}.Paint(random(seed), 96, 64)
			if err != nil {
				t.Fatal(err)
			}
			values := map[byte]bool{}
			for _, v := range p.Pix {
				values[v] = true
			}
			if p.Width != 96 || p.Height != 64 || len(values) < 10 {
				t.Errorf("%s: %d x %d with %d values", kind, p.Width, p.Height, len(values))
			}
		}
	}
	if _, err := (Procedural{Kind: "photo"}).Paint(random(1), 9, 9); err == nil {
		t.Error("a kind that does not exist")
	}
}

func TestShrunk_keeps_the_shape(t *testing.T) {
	for _, c := range [][3]int{{400, 300, 10800}, {16384, 1, 100}, {1, 16384, 100}, {1000, 1000, 1}, {5, 5, 25}, {4096, 4096, 65536}} {
		w, h := shrunk(c[0], c[1], c[2])
		if w < 1 || h < 1 || w*h > c[2] {
			t.Errorf("%v: %d x %d", c, w, h)
		}
		if shape := math.Log(float64(w)/float64(h)) - math.Log(float64(c[0])/float64(c[1])); min(w, h) > 20 && math.Abs(shape) > 0.1 {
			t.Errorf("%v: %d x %d", c, w, h)
		}
	}
}

func TestGuard_draws_the_seed_anew_and_leaves_the_rest(t *testing.T) {
	d := described()
	r, err := Generator{}.Request(t.Context(), d, random(5))
	if err != nil {
		t.Fatal(err)
	}
	r.Values["grain"] = int64(7)
	got, err := Guard(d, r, Seeds{First: 100, Last: 200}, random(6))
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Values.Int("grain"); n < 100 || n > 200 || r.Values.Int("grain") != 7 {
		t.Errorf("seed %d, the user's own is now %d", n, r.Values.Int("grain"))
	}
	got.Values["grain"] = int64(7)
	if digest(t, got) != digest(t, r) {
		t.Error("more than the seed has changed")
	}
}

func TestGuard_moves_one_or_two_samples_where_there_is_no_seed(t *testing.T) {
	seedless := sdk.Description{Inputs: []sdk.Input{{Name: "image", Kind: sdk.ImageInput}, {Name: "mask", Kind: sdk.MaskInput}}, Output: sdk.Output{Kind: sdk.ImageOutput}}
	embedding := seedless
	embedding.Output.Kind = sdk.EmbeddingOutput
	for seed := range uint64(40) {
		rng := random(seed)
		p, err := Procedural{}.Paint(rng, 40+rng.IntN(200), 40+rng.IntN(200))
		if err != nil {
			t.Fatal(err)
		}
		if seed%3 == 0 {
			p = p.Gray()
		}
		image, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		r := sdk.Request{Images: map[string][]sdk.Image{"image": {image}, "mask": {image}}}
		for name, d := range map[string]sdk.Description{"seedless": seedless, "embedding": embedding} {
			got, err := Guard(d, r, Seeds{}, rng)
			if err != nil {
				t.Fatal(err)
			}
			q, err := imaging.Read(got.Images["image"][0].Data, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			moved, most := 0, 0
			for i := range p.Pix {
				if diff := int(p.Pix[i]) - int(q.Pix[i]); diff != 0 {
					moved, most = moved+1, max(most, diff, -diff)
				}
			}
			if q.Channels != p.Channels || moved < 1 || moved > 2 || name == "seedless" && most != 1 {
				t.Errorf("%s: %d samples moved by %d at most", name, moved, most)
			}
			if name == "embedding" && differ(glanced(p), glanced(q)) == 0 {
				t.Error("an encoder for small pictures does not see the change")
			}
			if &got.Images["mask"][0].Data[0] != &image.Data[0] || &r.Images["image"][0].Data[0] != &image.Data[0] {
				t.Error("the mask, or the user's own request, has changed")
			}
		}
	}
}

func TestGuard_keeps_transparency_and_refuses_what_is_no_picture(t *testing.T) {
	d := sdk.Description{Inputs: []sdk.Input{{Name: "image", Kind: sdk.ImageInput}}, Output: sdk.Output{Kind: sdk.ImageOutput}}
	p := imaging.Flat(3, 2, 255, 0, 9, 0)
	p.Pix[4*4+3] = 128 // one pixel shows
	image, err := encode(p)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		got, err := Guard(d, sdk.Request{Images: map[string][]sdk.Image{"image": {image}}}, Seeds{}, random(seed))
		if err != nil {
			t.Fatal(err)
		}
		q, err := imaging.Read(got.Images["image"][0].Data, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Pix {
			if hidden := i/4 != 4 || i%4 == 3; hidden && p.Pix[i] != q.Pix[i] {
				t.Errorf("sample %d is %d, was %d", i, q.Pix[i], p.Pix[i])
			}
		}
	}
	_, err = Guard(d, sdk.Request{Images: map[string][]sdk.Image{"image": {{Data: []byte("text")}}}}, Seeds{}, random(1))
	if !errors.Is(err, sdk.ErrInvalidInput) || sdk.AsError(err).Param != "image" {
		t.Error(err)
	}
}
