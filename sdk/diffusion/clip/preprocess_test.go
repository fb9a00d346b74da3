package clip

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/diffusion/internal/fixture"
	"github.com/vision19/vision/sdk/imaging"
)

func TestApply_gives_the_numbers_of_transformers(t *testing.T) {
	var golden struct {
		Cases []struct {
			Formula, Width, Height int
			Resized                [2]int
			InputSum               int        `json:"input_sum"`
			Sums                   [3]float64 `json:"pixel_values_sum_per_channel"`
			Indices                []int      `json:"sample_flat_indices_chw"`
			Values                 []float32  `json:"sample_values"`
		}
	}
	data, err := os.ReadFile("testdata/preprocess.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) != 6 {
		t.Fatalf("%d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		t.Run(fmt.Sprintf("formula_%d_%dx%d", c.Formula, c.Width, c.Height), func(t *testing.T) {
			picture := fixture.Picture{Formula: c.Formula, Width: c.Width, Height: c.Height}.Pixels()
			sum := 0
			for _, b := range picture.Pix {
				sum += int(b)
			}
			if sum != c.InputSum {
				t.Fatalf("the test's own picture sums up to %d, not %d", sum, c.InputSum)
			}
			if w, h := Default().resized(c.Width, c.Height); [2]int{w, h} != c.Resized {
				t.Errorf("resized to %d x %d, want %v", w, h, c.Resized)
			}
			got, err := Default().Apply(picture)
			if err != nil || len(got) != 3*224*224 {
				t.Fatalf("%d numbers, %v", len(got), err)
			}
			for k, i := range c.Indices {
				if math.Abs(float64(got[i]-c.Values[k])) > 1e-6 { // the golden numbers have 8 digits
					t.Errorf("at %d: %v, want %v", i, got[i], c.Values[k])
				}
			}
			for channel, want := range c.Sums {
				sum := 0.0
				for _, v := range got[channel*224*224:][:224*224] {
					sum += float64(v)
				}
				if math.Abs(sum-want) > 1e-6*224*224 {
					t.Errorf("channel %d sums up to %v, want %v", channel, sum, want)
				}
			}
		})
	}
}

// plain leaves the bytes as they are.
const plain = `"do_rescale": false, "do_normalize": false`

func TestApply_crops_and_pads_as_the_configuration_says(t *testing.T) {
	gray := imaging.Pixels{Width: 3, Height: 2, Channels: 1, Pix: []byte{1, 2, 3, 4, 5, 6}}
	for config, want := range map[string][]float32{
		`{"do_resize": false, "crop_size": 2, ` + plain + `}`:                                                          {1, 2, 4, 5},
		`{"do_resize": false, "crop_size": {"height": 1, "width": 3}, ` + plain + `}`:                                  {1, 2, 3},
		`{"do_resize": false, "crop_size": {"height": 3, "width": 6}, ` + plain + `}`:                                  {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0},
		`{"size": {"height": 2, "width": 3}, "do_center_crop": false, ` + plain + `}`:                                  {1, 2, 3, 4, 5, 6},
		`{"size": {"height": 4, "width": 1}, "do_center_crop": false, "resample": 0, ` + plain + `}`:                   {2, 2, 5, 5},
		`{"size": {"shortest_edge": 1}, "crop_size": 1, "resample": 4, ` + plain + `}`:                                 {4}, // resized to 1 x 1: 3.5, which Pillow rounds up
		`{"do_resize": false, "crop_size": 1, "rescale_factor": 0.5, "image_mean": [1, 1, 1], "image_std": [4, 4, 4]}`: {0},
	} {
		p, err := ParsePreprocessor([]byte(config))
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		got, err := p.Apply(gray)
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		if w, h := p.Size(); len(got) != 3*w*h || fmt.Sprint(got[:w*h]) != fmt.Sprint(want) || fmt.Sprint(got[2*w*h:]) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v in each channel", config, got, want)
		}
	}
}

func TestApply_drops_alpha_and_keeps_the_order_of_channels(t *testing.T) {
	p, err := ParsePreprocessor([]byte(`{"do_resize": false, "crop_size": 1, ` + plain + `}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Apply(imaging.Pixels{Width: 1, Height: 1, Channels: 4, Pix: []byte{10, 20, 30, 0}})
	if err != nil || fmt.Sprint(got) != "[10 20 30]" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestApply_refuses_what_is_no_picture_for_a_model(t *testing.T) {
	for name, p := range map[string]imaging.Pixels{
		"no area":       {},
		"no bytes":      {Width: 2, Height: 2, Channels: 3},
		"two channels":  {Width: 1, Height: 1, Channels: 2, Pix: make([]byte, 2)},
		"a thin stripe": {Width: 16384, Height: 1, Channels: 1, Pix: make([]byte, 16384)},
	} {
		if _, err := Default().Apply(p); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := Default().Apply(imaging.Pixels{Width: 70, Height: 1, Channels: 1, Pix: make([]byte, 70)}); err != nil {
		t.Errorf("a picture 70 times as wide as high: %v", err)
	}
}

func TestParsePreprocessor_reads_both_published_forms_alike(t *testing.T) {
	numbers := `"do_normalize": true, "do_resize": true, "do_center_crop": true, "resample": 3,
		"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]`
	for name, config := range map[string]string{
		"empty":                `{}`,
		"CLIPFeatureExtractor": `{"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, ` + numbers + `}`,
		"CLIPImageProcessor": `{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224},
			"do_rescale": true, "rescale_factor": 0.00392156862745098, "do_convert_rgb": true, ` + numbers + `}`,
	} {
		if p, err := ParsePreprocessor([]byte(config)); err != nil || p != Default() {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestParsePreprocessor_says_what_would_be_right(t *testing.T) {
	for config, want := range map[string]string{
		`{"image_processor_type": "ViTImageProcessor"}`: "CLIPImageProcessor",
		`{"resample": 5}`:                               "3 (bicubic)",
		`{"size": 0}`:                                   "from 1 to",
		`{"size": {"shortest_edge": -1}}`:               "from 1 to",
		`{"size": {"width": 9}}`:                        "from 1 to",
		`{"size": "large"}`:                             "shortest_edge",
		`{"crop_size": 1000000}`:                        "from 1 to",
		`{"do_center_crop": false}`:                     "different sizes",
		`{"do_resize": false, "do_center_crop": false}`: "different sizes",
		`{"rescale_factor": 0}`:                         "positive",
		`{"image_mean": [1]}`:                           "one each",
		`{"image_std": [1, 0, 1]}`:                      "positive",
		`[]`:                                            "",
	} {
		if _, err := ParsePreprocessor([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

func FuzzParsePreprocessor(f *testing.F) {
	f.Add([]byte(`{"size": {"height": 4, "width": 1}, "do_center_crop": false}`))
	f.Add([]byte(`{"crop_size": 7, "rescale_factor": 1e300, "image_mean": [1, 2, 3]}`))
	picture := fixture.Picture{Formula: 2, Width: 9, Height: 5}.Pixels()
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePreprocessor(data)
		if err != nil {
			return
		}
		w, h := p.Size()
		if w*h > 1<<16 || p.Shortest > 256 {
			return // correct, but slow
		}
		if got, err := p.Apply(picture); err != nil || len(got) != 3*w*h {
			t.Errorf("%d numbers for %d x %d px, %v", len(got), w, h, err)
		}
	})
}
