package clip

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/diffusion/internal/fixture"
	"github.com/vision19/vision/sdk/imaging"
)

// The structure of CLIP ViT-B/32 with narrower layers and pseudo-random weights, against what PyTorch gives.

func TestFamily_embeds_as_PyTorch_does(t *testing.T) {
	for _, family := range []string{"clip-vit-b32", "clip-vit-b32-combined"} {
		t.Run(family, func(t *testing.T) {
			var reference struct {
				Tolerance float64
				Texts     []struct{ Text string }
				Images    []fixture.Picture
				Embedded  [][]float64 `json:"text_embeds"`
				Seen      [][]float64 `json:"image_embeds"`
			}
			fixture.Load(t, family, &reference)
			if len(reference.Texts) == 0 || len(reference.Images) == 0 || !(reference.Tolerance > 0) {
				t.Fatal("the reference is empty")
			}
			e := load(t, fixture.Folder(t, family))
			var texts []string
			for _, x := range reference.Texts {
				texts = append(texts, x.Text)
			}
			var pictures []imaging.Pixels
			for _, x := range reference.Images {
				pictures = append(pictures, x.Pixels())
			}
			embedded, err := e.Texts(t.Context(), texts)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := e.Images(t.Context(), pictures)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range reference.Embedded {
				if err := near(embedded[i], want, reference.Tolerance); err != nil {
					t.Errorf("%q: %v", texts[i], err)
				}
			}
			for i, want := range reference.Seen {
				if err := near(seen[i], want, reference.Tolerance); err != nil {
					t.Errorf("picture %d: %v", i, err)
				}
			}
		})
	}
}

func TestInspect_misses_weights_beside_a_graph(t *testing.T) {
	dir := fixture.Copy(t, "clip-vit-b32-combined")
	data, err := filepath.Glob(filepath.Join(dir, "onnx", "*_data"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	if err := os.Remove(data[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(dir); err == nil || !strings.Contains(err.Error(), filepath.Base(data[0])) {
		t.Error(err)
	}
}

func TestFamily_safety_checker_refuses_what_PyTorch_refuses(t *testing.T) {
	var reference struct {
		Images []struct {
			fixture.Picture
			Refused bool
		}
	}
	fixture.Load(t, "safety-checker", &reference)
	s := loadSafety(t, fixture.Folder(t, "safety-checker"))
	seen := map[bool]bool{}
	for i, x := range reference.Images {
		v, err := s.Check(t.Context(), x.Pixels())
		if err != nil || v.Unsafe != x.Refused {
			t.Errorf("picture %d is unsafe: %v, want %v; %v", i, v.Unsafe, x.Refused, err)
		}
		seen[x.Refused] = true
	}
	if !seen[true] || !seen[false] {
		t.Error("the reference has no picture of each kind")
	}
}
