package imaging

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
)

// golden is what testdata/make_golden.py wrote with Pillow and NumPy.
type golden struct {
	Resize []struct {
		Formula, Channels int
		From, To          [2]int
		Filter, SHA256    string
		First             []int
	}
	Convert []struct {
		Formula, Channels int
		RGB, Gray, Crop   string
	}
	Pad []struct {
		Size     [2]int
		Channels int
		Pad      [4]int
		SHA256   string
	}
	Read []struct {
		Name      string
		Data      []byte
		Size      [2]int
		Channels  int
		SHA256    string // or
		Tolerance int
		Pixels    []byte
	}
	Animated map[string][]byte
}

var readGolden = sync.OnceValue(func() golden {
	data, err := os.ReadFile("testdata/golden.json.gz")
	if err != nil {
		panic(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	var g golden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		panic(err)
	}
	return g
})

// formula makes the script's pictures: steep ramps that wrap, smooth ramps, or squares over a steep product. Alpha has clear, half
// clear and opaque parts.
func formula(n, w, h, channels int) Pixels {
	p := Pixels{Width: w, Height: h, Channels: channels}
	for y := range h {
		for x := range w {
			var c [4]int
			switch n {
			case 0:
				c = [4]int{3*x + 5*y, 7*x + 2*y + 31, x * y}
			case 1:
				c = [4]int{x * 255 / max(w-1, 1), y * 255 / max(h-1, 1), (x + y) * 255 / max(w+h-2, 1)}
			case 2:
				c = [4]int{(x/8 + y/8) % 2 * 255, x/16%2*200 + 20, x*x + y*y}
			}
			c[3] = min(max((x*11+y*17)%400-60, 0), 255)
			for i := range channels {
				p.Pix = append(p.Pix, byte(c[i]))
			}
		}
	}
	return p
}

// sum is the SHA-256 of the bytes, or says that the bytes are no picture of that size.
func sum(p Pixels, w, h, channels int) string {
	if p.Width != w || p.Height != h || p.Channels != channels || len(p.Pix) != w*h*channels {
		return fmt.Sprintf("%d x %d x %d in %d bytes", p.Width, p.Height, p.Channels, len(p.Pix))
	}
	s := sha256.Sum256(p.Pix)
	return hex.EncodeToString(s[:])
}

func TestResize_equals_Pillow(t *testing.T) {
	filters := map[string]Filter{"nearest": Nearest, "box": Box, "bilinear": Bilinear, "bicubic": Bicubic, "lanczos": Lanczos}
	if len(readGolden().Resize) < 700 {
		t.Fatal("vectors are missing")
	}
	for _, c := range readGolden().Resize {
		in := formula(c.Formula, c.From[0], c.From[1], c.Channels)
		before := bytes.Clone(in.Pix)
		out := in.Resize(c.To[0], c.To[1], filters[c.Filter])
		if got := sum(out, c.To[0], c.To[1], c.Channels); got != c.SHA256 {
			t.Errorf("formula %d x%d, %v to %v, %s: %s", c.Formula, c.Channels, c.From, c.To, c.Filter, got)
			t.Errorf("it starts with %v, want %v", out.Pix[:min(6, len(out.Pix))], c.First)
		}
		if !bytes.Equal(in.Pix, before) {
			t.Errorf("%v to %v, %s: the source has changed", c.From, c.To, c.Filter)
		}
	}
}

func TestConversions_equal_Pillow(t *testing.T) {
	for _, c := range readGolden().Convert {
		p := formula(c.Formula, 61, 47, c.Channels)
		if got := sum(p.RGB(), 61, 47, 3); got != c.RGB {
			t.Errorf("formula %d x%d: RGB %s", c.Formula, c.Channels, got)
		}
		if got := sum(p.Gray(), 61, 47, 1); got != c.Gray {
			t.Errorf("formula %d x%d: gray %s", c.Formula, c.Channels, got)
		}
		if got := sum(p.Crop(5, 7, 39, 13), 39, 13, c.Channels); got != c.Crop {
			t.Errorf("formula %d x%d: crop %s", c.Formula, c.Channels, got)
		}
	}
}

func TestPadReflect_equals_NumPy(t *testing.T) {
	for _, c := range readGolden().Pad {
		p := formula(0, c.Size[0], c.Size[1], c.Channels).PadReflect(c.Pad[0], c.Pad[1], c.Pad[2], c.Pad[3])
		if got := sum(p, c.Size[0]+c.Pad[0]+c.Pad[2], c.Size[1]+c.Pad[1]+c.Pad[3], c.Channels); got != c.SHA256 {
			t.Errorf("%v x%d padded by %v: %s", c.Size, c.Channels, c.Pad, got)
		}
	}
}

func TestRead_equals_Pillow(t *testing.T) {
	for _, c := range readGolden().Read {
		p, err := Read(c.Data, c.Size[0]*c.Size[1])
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if h, err := Inspect(c.Data); err != nil || h.Width != c.Size[0] || h.Height != c.Size[1] {
			t.Errorf("%s: header %+v %v", c.Name, h, err)
		}
		got := sum(p, c.Size[0], c.Size[1], c.Channels)
		if c.SHA256 != "" {
			if got != c.SHA256 {
				t.Errorf("%s: %s", c.Name, got)
			}
			continue
		}
		if len(p.Pix) != len(c.Pixels) {
			t.Errorf("%s: %s", c.Name, got)
			continue
		}
		worst := 0
		for i, v := range p.Pix {
			worst = max(worst, int(v)-int(c.Pixels[i]), int(c.Pixels[i])-int(v))
		}
		if t.Logf("%s: off by at most %d", c.Name, worst); worst > c.Tolerance {
			t.Errorf("%s: off by %d, at most %d", c.Name, worst, c.Tolerance)
		}
	}
}

func BenchmarkResize(b *testing.B) {
	for _, c := range []struct {
		name     string
		from, to int
		filter   Filter
	}{{"512 to 224, bicubic", 512, 224, Bicubic}, {"128 to 512, lanczos", 128, 512, Lanczos}} {
		p := formula(1, c.from, c.from, 3)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				p.Resize(c.to, c.to, c.filter)
			}
		})
	}
}
