package imagehash

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

// kinds are the hashes by their names in the golden vectors.
var kinds = map[string]func(imaging.Pixels) Hash{
	"average": Average, "difference": Difference, "perceptual": Perceptual, "perceptual256": Perceptual256, "wavelet": Wavelet, "color": Color,
}

// golden is what testdata/make_golden.py wrote.
type golden struct {
	Pictures []struct {
		Kind   string
		Seed   int
		Size   [2]int
		Hashes map[string]string
		// Undecided are the bits that SciPy's rounding decides, by hash.
		Undecided map[string]string
	}
	Hue, Saturation []int
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

// lattice, noise and channel are the script's formulas.
func lattice(i, j, seed int) int {
	h := uint32(i)*73856093 ^ uint32(j)*19349663 ^ uint32(seed)*83492791
	h = (h ^ h>>13) * 1274126177
	return int((h ^ h>>16) & 255)
}

func noise(x, y, cell, seed int) int {
	i, j, u, v := x/cell, y/cell, x%cell, y%cell
	top := lattice(i, j, seed)*(cell-u) + lattice(i+1, j, seed)*u
	bottom := lattice(i, j+1, seed)*(cell-u) + lattice(i+1, j+1, seed)*u
	return (top*(cell-v) + bottom*v) / (cell * cell)
}

func channel(kind string, seed, c, x, y, w, h int) int {
	s := seed*4 + c
	switch kind {
	case "blobs":
		return (8*noise(x, y, 64, s) + 4*noise(x, y, 16, s) + 2*noise(x, y, 4, s) + noise(x, y, 1, s)) / 15
	case "soft":
		return 96 + noise(x, y, 48, s)/4
	case "dark":
		return noise(x, y, 32, s) / 5
	case "flat":
		return seed * (c + 1) * 37 % 256
	case "ramp":
		if c < 2 {
			return x * 255 / max(w-1, 1)
		}
		return y * 255 / max(h-1, 1)
	case "squares":
		return [3]int{(x/8 + y/8) % 2 * 255, x/16%2*200 + 20, (x*x + y*y) % 256}[c]
	case "wrap":
		return [3]int{3*x + 5*y, 7*x + 2*y + 31, x * y}[c] % 256
	case "disc":
		if (2*x-w)*(2*x-w)+(2*y-h)*(2*y-h) < (w*w+h*h)/(4+seed) {
			return [3]int{220, 40, 60}[c]
		}
		return [3]int{30, 90, 200}[c]
	}
	panic(kind)
}

func picture(kind string, seed, w, h int) imaging.Pixels {
	p := imaging.Pixels{Width: w, Height: h, Channels: 3}
	for y := range h {
		for x := range w {
			for c := range 3 {
				p.Pix = append(p.Pix, byte(channel(kind, seed, c, x, y, w, h)))
			}
		}
	}
	return p
}

func TestHashes_equal_ImageHash(t *testing.T) {
	g := readGolden(t)
	if len(g.Pictures) < 100 {
		t.Fatal("vectors are missing")
	}
	undecided := 0
	for _, c := range g.Pictures {
		p := picture(c.Kind, c.Seed, c.Size[0], c.Size[1])
		for name, hash := range kinds {
			got := hash(p)
			if mask, ok := c.Undecided[name]; ok {
				undecided++
				compareDecided(t, got, c.Hashes[name], mask)
			} else if got.String() != c.Hashes[name] {
				t.Errorf("%s %d, %v: %s %s, want %s", c.Kind, c.Seed, c.Size, name, got, c.Hashes[name])
			}
		}
	}
	if undecided > 2 {
		t.Errorf("%d hashes are compared in part only", undecided)
	}
}

// compareDecided compares the bits outside a mask.
func compareDecided(t *testing.T, got Hash, want, mask string) {
	t.Helper()
	w, err := Parse(want, got.Bits())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(mask, got.Bits())
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.words {
		if (got.words[i]^w.words[i])&^m.words[i] != 0 {
			t.Errorf("%s, want %s but for %s", got, want, mask)
		}
	}
}

func TestHashes_see_gray_and_alpha_as_Pillow_does(t *testing.T) {
	rgb := picture("blobs", 1, 40, 30)
	gray := rgb.Gray()
	rgba := imaging.Pixels{Width: 40, Height: 30, Channels: 4}
	for i := 0; i < len(rgb.Pix); i += 3 {
		rgba.Pix = append(append(rgba.Pix, rgb.Pix[i:i+3]...), byte(i)) // alpha is dropped
	}
	for name, hash := range kinds {
		if hash(rgba) != hash(rgb) {
			t.Errorf("%s: alpha matters", name)
		}
		if hash(gray) != hash(gray.RGB()) {
			t.Errorf("%s: gray is not its RGB", name)
		}
	}
}

func TestHashes_of_nothing_have_no_bits(t *testing.T) {
	for name, hash := range kinds {
		if h := hash(imaging.Pixels{}); h != (Hash{}) || h.String() != "" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// hueSaturation is Pillow's conversion to HSV (libImaging Convert.c), hue and saturation from 0 to 255: single precision where
// Pillow stores it, double between.
func hueSaturation(r, g, b byte) (hue, saturation byte) {
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0
	}
	span := float32(high - low)
	s := span / float32(high)
	rc, gc, bc := float32(high-r)/span, float32(high-g)/span, float32(high-b)/span
	var h float32
	switch high {
	case r:
		h = bc - gc
	case g:
		h = float32(2 + float64(rc) - float64(bc))
	default:
		h = float32(4 + float64(gc) - float64(rc))
	}
	turn := float64(h)/6 + 1
	h = float32(turn - math.Floor(turn)) // turn is positive
	return byte(float64(h) * 255), byte(float64(s) * 255)
}

func TestColor_has_Pillows_hue_and_saturation(t *testing.T) {
	g := readGolden(t)
	i := 0
	for r := 0; r < 256; r += 5 {
		for green := 0; green < 256; green += 5 {
			for b := 0; b < 256; b += 5 {
				hue, saturation := hueSaturation(byte(r), byte(green), byte(b))
				if int(hue) != g.Hue[i] || int(saturation) != g.Saturation[i] {
					t.Fatalf("%d %d %d: hue %d, saturation %d, want %d, %d", r, green, b, hue, saturation, g.Hue[i], g.Saturation[i])
				}
				i++
			}
		}
	}
	if i != len(g.Hue) {
		t.Errorf("%d colours of %d", i, len(g.Hue))
	}
}

// Hue depends on the span and on where the middle channel lies in it, saturation on the span and the highest channel: the lowest channel at 0
// and the highest at 255 show all of both.
func TestColor_bounds_its_bands_where_Pillows_hue_and_saturation_do(t *testing.T) {
	for high := 1; high < 256; high++ {
		for middle := range high + 1 {
			for _, c := range [][3]int{{high, middle, 0}, {high, 0, middle}, {middle, high, 0}, {0, high, middle}, {middle, 0, high}, {0, middle, high}} {
				hue, _ := hueSaturation(byte(c[0]), byte(c[1]), byte(c[2]))
				if got, want := band(c[0], c[1], c[2], high, high), min(int(hue)*2/85, 5); got != want {
					t.Fatalf("%v: band %d, want %d", c, got, want)
				}
			}
			span := high - middle
			_, s := hueSaturation(byte(high), byte(middle), byte(middle))
			if (3*span < high) != (s < 85) || (3*span < 2*high) != (s < 170) || (85*span >= 57*high) != (s > 170) {
				t.Fatalf("%d from %d: saturation %d", span, high, s)
			}
		}
	}
}

func TestWavelet_decides_by_sums_as_PyWavelets_does_step_by_step(t *testing.T) {
	for _, kind := range []string{"blobs", "soft", "dark", "ramp", "squares", "wrap", "disc"} {
		for _, side := range []int{8, 16, 64, 128} {
			p := picture(kind, 1, side, side)
			if got, want := Wavelet(p), stepwise(small(p, side, side), side); got != want {
				t.Errorf("%s of %d px: %v, want %v", kind, side, got, want)
			}
		}
	}
}

func TestDistance_counts_bits(t *testing.T) {
	parse := func(s string, bits int) Hash {
		h, err := Parse(s, bits)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	long := strings.Repeat("0", 64)
	for _, c := range []struct {
		a, b Hash
		want int
	}{
		{parse("0000000000000000", 64), parse("0000000000000000", 64), 0},
		{parse("8000000000000001", 64), parse("0000000000000000", 64), 2},
		{parse("ffffffffffffffff", 64), parse("0000000000000000", 64), 64},
		{parse("f"+long[1:], 256), parse(long[1:]+"1", 256), 5},
		{parse("20000000000", 42), parse("00000000001", 42), 2},
		{parse("00000000000", 42), parse("0000000000000000", 64), 64},
		{Hash{}, parse("00", 8), 8},
	} {
		if got := c.a.Distance(c.b); got != c.want || c.b.Distance(c.a) != c.want {
			t.Errorf("%v to %v: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestParse_says_what_is_wrong(t *testing.T) {
	for _, c := range []struct {
		hex  string
		bits int
		says string
	}{
		{"", 64, "64 bits are 16 hex digits"},
		{"0123456789abcde", 64, "15 characters"},
		{"0123456789abcdef0", 64, "17 characters"},
		{"0123456789abcdeg", 64, "character 16"},
		{"+123456789abcdef", 64, "character 1 "},
		{"0x23456789abcdef", 64, "character 2 "},
		{"0123456789abc\u00e9f", 64, "character 14 "},
		{"40000000000", 42, "42 bits"},
		{"0", 0, "1 to 256"},
		{"0", -4, "1 to 256"},
		{strings.Repeat("0", 65), 257, "1 to 256"},
	} {
		if h, err := Parse(c.hex, c.bits); err == nil || !strings.Contains(err.Error(), c.says) || h != (Hash{}) {
			t.Errorf("%q of %d bits: %v %v, want %q", c.hex, c.bits, h, err, c.says)
		}
	}
	if h, err := Parse("3FFFFFFFFFF", 42); err != nil || h.String() != "3ffffffffff" || h.Bits() != 42 {
		t.Errorf("all 42 bits: %v %v", h, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0123456789abcdef", 64)
	f.Add("3ffffffffff", 42)
	f.Add(strings.Repeat("e", 64), 256)
	f.Fuzz(func(t *testing.T, hex string, bits int) {
		h, err := Parse(hex, bits)
		if err != nil {
			return
		}
		if h.Bits() != bits || h.String() != strings.ToLower(hex) {
			t.Errorf("%q of %d bits became %q of %d", hex, bits, h, h.Bits())
		}
		if again, err := Parse(h.String(), bits); err != nil || again != h || h.Distance(again) != 0 {
			t.Errorf("%q is read as %v, %v", h, again, err)
		}
	})
}

func BenchmarkHashes_512(b *testing.B) {
	p := picture("blobs", 1, 512, 512)
	for name, hash := range kinds {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				hash(p)
			}
		})
	}
	b.Run("all, from one gray", func(b *testing.B) {
		for b.Loop() {
			gray := p.Gray()
			Average(gray)
			Difference(gray)
			Perceptual(gray)
			Perceptual256(gray)
			Wavelet(gray)
			Color(p)
		}
	})
}
