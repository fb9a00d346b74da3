package clip

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/diffusion/internal/config"
	"github.com/vision19/vision/sdk/imaging"
)

// MaxSize bounds a model's picture, in px a side: CLIP towers take 224 to 448, and attention over more than this is no embedding model's.
const MaxSize = 2048

// Preprocessor turns a picture into what a CLIP picture tower takes, in the steps of transformers' CLIPImageProcessor: RGB, resize, centre
// crop, rescale, normalise.
type Preprocessor struct {
	Resize   bool
	Shortest int // px that the shorter side is resized to; 0: both sides, to ResizeWidth and ResizeHeight

	ResizeWidth, ResizeHeight int
	Filter                    imaging.Filter

	Crop                  bool
	CropWidth, CropHeight int // px

	Scale     float64 // factor of the bytes; 1 when they are not rescaled
	Mean, Std [3]float32
}

// Default is the preprocessing of the published CLIP ViT-B/32, with transformers' defaults.
func Default() Preprocessor {
	return Preprocessor{
		Resize: true, Shortest: 224, Filter: imaging.Bicubic,
		Crop: true, CropWidth: 224, CropHeight: 224,
		Scale: 1.0 / 255,
		Mean:  [3]float32{0.48145466, 0.4578275, 0.40821073},
		Std:   [3]float32{0.26862954, 0.26130258, 0.27577711},
	}
}

// filters are Pillow's numbers of resampling filters, which resample holds.
var filters = map[int]imaging.Filter{0: imaging.Nearest, 1: imaging.Lanczos, 2: imaging.Bilinear, 3: imaging.Bicubic, 4: imaging.Box}

// side is a size as configurations write it: n, {"shortest_edge": n} or {"height": h, "width": w}.
type side struct {
	Shortest int `json:"shortest_edge"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

// UnmarshalJSON accepts all forms.
func (s *side) UnmarshalJSON(data []byte) error {
	*s = side{}
	if json.Unmarshal(data, &s.Shortest) == nil {
		return nil
	}
	type fields side
	if err := json.Unmarshal(data, (*fields)(s)); err != nil {
		return fmt.Errorf(`%s is no size: write n, {"shortest_edge": n} or {"height": h, "width": w}`, data)
	}
	return nil
}

// LoadPreprocessor reads a preprocessor_config.json.
func LoadPreprocessor(path string) (Preprocessor, error) {
	data, err := config.Read(path)
	if err != nil {
		return Preprocessor{}, err
	}
	p, err := ParsePreprocessor(data)
	if err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// ParsePreprocessor reads the JSON of a CLIPImageProcessor, or of the older CLIPFeatureExtractor. What it leaves out is as in Default. It
// refuses settings that do not give every picture the same size, for a tower takes only one.
func ParsePreprocessor(data []byte) (Preprocessor, error) {
	p := Default()
	config := struct {
		Processor string    `json:"image_processor_type"`
		Extractor string    `json:"feature_extractor_type"`
		Resize    *bool     `json:"do_resize"`
		Size      *side     `json:"size"`
		Resample  int       `json:"resample"`
		Crop      *bool     `json:"do_center_crop"`
		CropSize  *side     `json:"crop_size"`
		Rescale   *bool     `json:"do_rescale"`
		Factor    *float64  `json:"rescale_factor"`
		Normalize *bool     `json:"do_normalize"`
		Mean      []float32 `json:"image_mean"`
		Std       []float32 `json:"image_std"`
	}{Resample: 3}
	if err := json.Unmarshal(data, &config); err != nil {
		return p, err
	}
	for _, kind := range []string{config.Processor, config.Extractor} {
		if kind != "" && !strings.HasPrefix(kind, "CLIP") {
			return p, fmt.Errorf("a %s is not supported: the preprocessing must be a CLIPImageProcessor", kind)
		}
	}
	filter, ok := filters[config.Resample]
	if !ok {
		return p, fmt.Errorf("resample is %d: 0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic) and 4 (box) are supported", config.Resample)
	}
	p.Filter = filter
	p.Resize, p.Crop = isSet(config.Resize), isSet(config.Crop)
	if s := config.Size; s != nil {
		p.Shortest, p.ResizeWidth, p.ResizeHeight = s.Shortest, s.Width, s.Height
	}
	if s := config.CropSize; s != nil {
		p.CropWidth, p.CropHeight = s.Width, s.Height
		if s.Shortest != 0 { // a plain number is a square's side
			p.CropWidth, p.CropHeight = s.Shortest, s.Shortest
		}
	}
	if config.Factor != nil {
		p.Scale = *config.Factor
	}
	if !isSet(config.Rescale) {
		p.Scale = 1
	}
	errs := []error{triple("image_mean", config.Mean, &p.Mean), triple("image_std", config.Std, &p.Std)}
	if !isSet(config.Normalize) {
		p.Mean, p.Std = [3]float32{}, [3]float32{1, 1, 1}
	}
	return p, errors.Join(append(errs, p.check())...)
}

// isSet is a switch's value: all of CLIPImageProcessor's are on unless the configuration says otherwise.
func isSet(b *bool) bool { return b == nil || *b }

// triple sets a value of each of red, green and blue.
func triple(name string, values []float32, into *[3]float32) error {
	if values == nil {
		return nil
	}
	if len(values) != 3 {
		return fmt.Errorf("%s has %d numbers: one each of red, green and blue", name, len(values))
	}
	*into = [3]float32(values)
	return nil
}

func (p Preprocessor) check() error {
	var errs []error
	sizes := func(name string, values ...int) {
		for _, v := range values {
			if v < 1 || v > MaxSize {
				errs = append(errs, fmt.Errorf("%s is %d px: from 1 to %d", name, v, MaxSize))
				return
			}
		}
	}
	switch {
	case p.Resize && p.Shortest != 0:
		sizes("size", p.Shortest)
	case p.Resize:
		sizes("size", p.ResizeWidth, p.ResizeHeight)
	}
	if p.Crop {
		sizes("crop_size", p.CropWidth, p.CropHeight)
	} else if !p.Resize || p.Shortest != 0 {
		errs = append(errs, errors.New("without a do_center_crop, pictures would have different sizes: set it, or a size of height and width"))
	}
	if !(p.Scale > 0) || math.IsInf(p.Scale, 0) {
		errs = append(errs, fmt.Errorf("rescale_factor is %g: a positive number, such as 1/255", p.Scale))
	}
	if slices.ContainsFunc(p.Std[:], func(s float32) bool { return !(s > 0) }) {
		errs = append(errs, fmt.Errorf("image_std is %v: positive numbers", p.Std))
	}
	return errors.Join(errs...)
}

// Size is what every picture becomes, in px.
func (p Preprocessor) Size() (width, height int) {
	if p.Crop {
		return p.CropWidth, p.CropHeight
	}
	return p.ResizeWidth, p.ResizeHeight
}

// Apply preprocesses a picture into float32 [3, height, width], channels first in the order red, green, blue, and rows from the top. Gray is
// repeated, an alpha channel is dropped. A picture that is empty, or so narrow that its longer
// side would be resized to more than imaging.MaxSide px, is an error.
func (p Preprocessor) Apply(picture imaging.Pixels) ([]float32, error) {
	if picture.Width < 1 || picture.Height < 1 || len(picture.Pix) != picture.Width*picture.Height*picture.Channels || !slices.Contains([]int{1, 3, 4}, picture.Channels) {
		return nil, fmt.Errorf("a picture of %d x %d px, %d channels and %d bytes is no picture", picture.Width, picture.Height, picture.Channels, len(picture.Pix))
	}
	rgb := picture.RGB()
	if p.Resize {
		w, h := p.resized(picture.Width, picture.Height)
		if max(w, h) > imaging.MaxSide {
			return nil, fmt.Errorf("a picture of %d x %d px is too narrow: its longer side is at most %d times the shorter one", picture.Width, picture.Height, imaging.MaxSide/p.Shortest)
		}
		rgb = rgb.Resize(w, h, p.Filter)
	}
	return p.normalize(rgb), nil
}

// resized is the size after the resize: with a shortest side, the longer one keeps the proportion, rounded down.
func (p Preprocessor) resized(w, h int) (int, int) {
	switch n := p.Shortest; {
	case n == 0:
		return p.ResizeWidth, p.ResizeHeight
	case w <= h:
		return n, n * h / w
	default:
		return n * w / h, n
	}
}

// normalize cuts the middle out of a picture, black where the picture is smaller, and brings its bytes into the model's range: times the
// factor in float64, rounded to float32, minus the mean and over the deviation in float32.
func (p Preprocessor) normalize(rgb imaging.Pixels) []float32 {
	var values [3][256]float32
	for c := range values {
		for b := range values[c] {
			values[c][b] = (float32(float64(b)*p.Scale) - p.Mean[c]) / p.Std[c]
		}
	}
	w, h := p.Size()
	// Half the rest, rounded down; negative where the picture is smaller, so that the larger border is on the left and the top.
	left, top := (rgb.Width-w)>>1, (rgb.Height-h)>>1
	out := make([]float32, 3*w*h)
	for y := range h {
		for x := range w {
			var pixel [3]byte
			if sx, sy := x+left, y+top; sx >= 0 && sx < rgb.Width && sy >= 0 && sy < rgb.Height {
				pixel = [3]byte(rgb.Pix[3*(sy*rgb.Width+sx):])
			}
			for c, b := range pixel {
				out[(c*h+y)*w+x] = values[c][b]
			}
		}
	}
	return out
}
