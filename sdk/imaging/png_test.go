package imaging

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"
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

func TestEncodePNG_refuses_what_is_no_picture(t *testing.T) {
	for _, c := range [][4]int{{0, 1, 3, 0}, {1, 1, 2, 2}, {2, 2, 3, 11}, {MaxSide + 1, 1, 3, 3 * (MaxSide + 1)}} {
		if _, err := EncodePNG(make([]byte, c[3]), c[0], c[1], c[2]); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
}
