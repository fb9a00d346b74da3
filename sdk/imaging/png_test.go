package imaging

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zlib"
)

// picture is a smooth image with some noise, like a photo.
func picture(w, h, channels int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, 0, w*h*channels)
	for y := range h {
		for x := range w {
			p := []byte{byte(x*255/w + r.IntN(8)), byte(y*255/h + r.IntN(8)), byte((x+y)*255/(w+h) + r.IntN(8)), byte(x ^ y)}
			pix = append(pix, p[:channels]...)
		}
	}
	return pix
}

func TestEncodePNG_is_what_image_png_reads_back(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {3, 2}, {128, 128}, {257, 63}} {
		for _, channels := range []int{1, 3, 4} {
			pix := picture(size.X, size.Y, channels)
			data, err := EncodePNG(pix, size.X, size.Y, channels)
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			for i := range size.X * size.Y {
				c := pix[i*channels:]
				want := color.NRGBA{c[0], c[0], c[0], 255}
				if channels >= 3 {
					want.G, want.B = c[1], c[2]
				}
				if channels == 4 {
					want.A = c[3]
				}
				if got := color.NRGBAModel.Convert(img.At(i%size.X, i/size.X)); got != want {
					t.Fatalf("%v x%d, pixel %d: %v, want %v", size, channels, i, got, want)
				}
			}
		}
	}
}

// decodedPNG is what image/png makes of it.
func decodedPNG(t testing.TB, data []byte) Pixels {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	p, err := fromImage(img, layout{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func packed(rows []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(rows)
	_ = z.Close()
	return out.Bytes()
}

// pngOfRows is a PNG of packed rows, in chunks of so many bytes.
func pngOfRows(w, h, channels int, packed []byte, size int) []byte {
	data, _ := EncodePNG(make([]byte, w*h*channels), w, h, channels)
	out := slices.Clone(data[:behindIHDR])
	for part := range slices.Chunk(packed, size) {
		out = append(out, pngChunk("IDAT", string(part))...)
	}
	return append(out, pngChunk("IEND", "")...)
}

func TestRead_undoes_every_filter_as_image_png_does(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, channels := range []int{1, 3, 4} {
		for _, w := range []int{1, 2, 5, 19} {
			const h = 30
			rows := make([]byte, (w*channels+1)*h)
			for i := range rows {
				rows[i] = byte(r.IntN(256))
				if i%(w*channels+1) == 0 {
					rows[i] %= 5
				}
			}
			for _, size := range []int{1, 50, 1 << 20} {
				data := pngOfRows(w, h, channels, packed(rows), size)
				got, ok := readPlainPNG(data)
				if want := decodedPNG(t, data); !ok || got.Channels != channels || !bytes.Equal(got.Pix, want.Pix) {
					t.Errorf("%d px wide, %d channels, chunks of %d bytes: %v", w, channels, size, ok)
				}
			}
		}
	}
}

func TestRead_leaves_unusual_PNGs_to_image_png(t *testing.T) {
	rows := make([]byte, 2*7)
	good := packed(rows)
	whole := pngOfRows(2, 2, 3, good, 100)
	behind := len(whole) - 12
	for name, data := range map[string][]byte{
		"unknown filter":          pngOfRows(2, 2, 3, packed(append([]byte{5}, rows[1:]...)), 100),
		"too few rows":            pngOfRows(2, 2, 3, packed(rows[:7]), 100),
		"too many rows":           pngOfRows(2, 2, 3, packed(append(rows, 0)), 100),
		"another sum":             pngOfRows(2, 2, 3, append(slices.Clone(good[:len(good)-1]), 99), 100),
		"bytes behind the packed": pngOfRows(2, 2, 3, append(slices.Clone(good), 'x'), 100),
		"no sum":                  pngOfRows(2, 2, 3, good[:len(good)-1], 100),
		"another checksum":        append(slices.Clone(whole[:behind-1]), append([]byte{whole[behind-1] + 1}, whole[behind:]...)...),
		"data apart":              insert(whole, behind, slices.Concat(pngChunk("tEXt", "a\x00b"), pngChunk("IDAT", ""))),
		"a transparent colour":    insert(whole, behindIHDR, pngChunk("tRNS", "\x00\x00\x00\x00\x00\x00")),
		"a palette":               insert(whole, behindIHDR, pngChunk("PLTE", "abc")),
		"another depth":           sizedDepth(whole, 16),
		"an unknown critical":     insert(whole, behindIHDR, pngChunk("ABCD", "")),
		"metadata before all":     insert(whole, 8, pngChunk("tEXt", "a\x00b")),
		"no data":                 slices.Concat(whole[:behindIHDR], pngChunk("IEND", "")),
	} {
		if _, ok := readPlainPNG(data); ok {
			t.Errorf("%s: it is read", name)
		}
	}
	if p, ok := readPlainPNG(insert(whole, behindIHDR, pngChunk("tEXt", "a\x00b"))); !ok || p.Width != 2 {
		t.Error("metadata is not skipped")
	}
}

func TestEncodePNG_refuses_what_is_no_picture(t *testing.T) {
	for _, c := range [][4]int{{0, 1, 3, 0}, {1, 1, 2, 2}, {2, 2, 3, 11}, {MaxSide + 1, 1, 3, 3 * (MaxSide + 1)}} {
		if _, err := EncodePNG(make([]byte, c[3]), c[0], c[1], c[2]); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
}
