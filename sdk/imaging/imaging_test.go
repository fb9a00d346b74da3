package imaging

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
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
		for _, channels := range []int{3, 4} {
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
				want := color.NRGBA{pix[i*channels], pix[i*channels+1], pix[i*channels+2], 255}
				if channels == 4 {
					want.A = pix[i*channels+3]
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

func TestInspect_tells_the_format_from_the_bytes(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 30, 20))
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, img, nil); err != nil {
		t.Fatal(err)
	}
	pngData, err := EncodePNG(picture(30, 20, 3), 30, 20, 3)
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string][]byte{"image/jpeg": jpg.Bytes(), "image/png": pngData} {
		h, err := Inspect(data)
		if err != nil || h != (Header{want, 30, 20}) {
			t.Errorf("%+v %v, want %s", h, err, want)
		}
		if _, err := Decode(data, 600); err != nil {
			t.Error(err)
		}
		if _, err := Decode(data, 599); err == nil || !strings.Contains(err.Error(), "599") {
			t.Errorf("above the limit: %v", err)
		}
	}
}

func TestInspect_refuses_bombs_before_they_take_memory(t *testing.T) {
	bomb, err := EncodePNG(make([]byte, 3), 1, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	copy(bomb[16:], "\x00\x00\xff\xff\x00\x00\xff\xff") // says 65535 x 65535
	for name, data := range map[string][]byte{"bomb": bomb, "empty": nil, "text": []byte("hello"), "gif": []byte("GIF89a\x01\x00\x01\x00")} {
		if _, err := Decode(data, 1<<20); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	seed, _ := EncodePNG(picture(5, 4, 3), 5, 4, 3)
	f.Add(seed)
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8 "))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(data, 1<<16)
		if err == nil && img.Bounds().Dx()*img.Bounds().Dy() > 1<<16 {
			t.Errorf("%v is above the limit", img.Bounds())
		}
	})
}
