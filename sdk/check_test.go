package sdk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/sdk/schema"
)

// inpainting takes every kind of input and answers with an image of the first input's size, enlarged.
func inpainting() Description {
	return Description{
		Endpoint: "inpainting",
		Inputs: []Input{
			{Name: "prompt", Kind: TextInput, Required: true, MaxLength: 10, MaxCount: 2},
			{Name: "image", Kind: ImageInput, Required: true, MaxPixels: 64},
			{Name: "mask", Kind: MaskInput, SameSizeAs: "image"},
			{Name: "style", Kind: TextInput},
			{Name: "reference", Kind: ImageInput},
		},
		OneOf: []string{"style", "reference"},
		Parameters: schema.Schema{
			{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(50), Default: int64(8)},
			{Name: "scale", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(4), Default: int64(2)},
			{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(9), Random: true},
		},
		Output: Output{Kind: ImageOutput, MediaType: RawRGB, Width: Extent{Input: "image", Times: "scale"}, Height: Extent{Input: "image", Times: "scale"}},
	}
}

func rgb(w, h int) Image {
	return Image{MediaType: RawRGB, Width: w, Height: h, Data: make([]byte, w*h*3)}
}

func wholeRequest() Request {
	return Request{
		ID:     "1",
		Texts:  map[string][]string{"prompt": {"a cat"}, "style": {"oil"}},
		Images: map[string][]Image{"image": {rgb(8, 4)}, "mask": {rgb(8, 4)}},
	}
}

func TestCheckRequest_fills_in_defaults_and_keeps_the_inputs(t *testing.T) {
	r := wholeRequest()
	got, err := inpainting().CheckRequest(r, map[string]any{"steps": 50})
	if err != nil {
		t.Fatal(err)
	}
	r.Values = schema.Values{"steps": int64(50), "scale": int64(2)}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, want %+v", got, r)
	}
}

func TestCheckRequest_names_what_is_wrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request)
		raw    map[string]any
		want   []string
	}{
		"missing text":      {func(r *Request) { delete(r.Texts, "prompt") }, nil, []string{"prompt is required"}},
		"missing image":     {func(r *Request) { delete(r.Images, "image") }, nil, []string{"image is required"}},
		"blank text":        {func(r *Request) { r.Texts["prompt"] = []string{" \n"} }, nil, []string{"prompt is empty"}},
		"one blank of two":  {func(r *Request) { r.Texts["prompt"] = []string{"a", ""} }, nil, []string{"prompt is empty"}},
		"too many texts":    {func(r *Request) { r.Texts["prompt"] = []string{"a", "b", "c"} }, nil, []string{"prompt is given 3 times: at most 2"}},
		"too many images":   {func(r *Request) { r.Images["mask"] = []Image{rgb(8, 4), rgb(8, 4)} }, nil, []string{"mask is given 2 times: at most 1"}},
		"too long":          {func(r *Request) { r.Texts["prompt"] = []string{strings.Repeat("é", 11)} }, nil, []string{"prompt has 11 characters: at most 10"}},
		"too long, default": {func(r *Request) { r.Texts["style"] = []string{strings.Repeat("x", DefaultMaxText+1)} }, nil, []string{"style has 10001 characters: at most 10000"}},
		"broken UTF-8":      {func(r *Request) { r.Texts["prompt"] = []string{"\xff"} }, nil, []string{"prompt is not valid UTF-8 text"}},
		"too many pixels": {
			func(r *Request) { r.Images["image"] = []Image{rgb(13, 5)}; delete(r.Images, "mask") }, nil, []string{"image has 13 x 5 px: at most 64 px in all, such as 8 x 8"},
		},
		"too many pixels, default": {
			func(r *Request) { r.Images["reference"] = []Image{{MediaType: PNG, Width: 4096, Height: 1025}} }, nil,
			[]string{"reference has 4096 x 1025 px: at most 4194304 px in all, such as 2048 x 2048"},
		},
		"another size": {
			func(r *Request) { r.Images["mask"] = []Image{rgb(4, 8)} }, nil, []string{"mask is 4 x 8 px: it must have the size of image, 8 x 4"},
		},
		"a text for an image": {
			func(r *Request) { delete(r.Images, "image"); r.Texts["image"] = []string{"x"} }, nil,
			[]string{"image is no text input; the inputs are prompt, image, mask, style, reference"},
		},
		"an image for a text": {
			func(r *Request) { r.Images["style"] = []Image{rgb(1, 1)}; delete(r.Texts, "style") }, nil,
			[]string{"style is no image input; the inputs are prompt, image, mask, style, reference"},
		},
		"unknown text":  {func(r *Request) { r.Texts["promt"] = []string{"x"} }, nil, []string{"promt is no text input; the inputs are prompt, image, mask, style, reference"}},
		"unknown image": {func(r *Request) { r.Images["img"] = nil }, nil, []string{"img is no image input; the inputs are prompt, image, mask, style, reference"}},
		"none of":       {func(r *Request) { delete(r.Texts, "style") }, nil, []string{"style is required, or one of reference"}},
		"parameter":     {func(*Request) {}, map[string]any{"steps": 0}, []string{"steps is 0: an int from 1 to 50"}},
		"everything at once": {
			func(r *Request) {
				r.Texts = map[string][]string{"prompt": {"a", "b", strings.Repeat("x", 11)}, "other": {"x"}}
				r.Images["mask"] = []Image{rgb(1, 1)}
			},
			map[string]any{"zoom": 1, "steps": 99},
			[]string{
				"steps is 99: an int from 1 to 50", "zoom is not known; known are steps, scale, seed; the inputs are prompt, image, mask, style, reference",
				"prompt is given 3 times: at most 2", "prompt has 11 characters: at most 10",
				"mask is 1 x 1 px: it must have the size of image, 8 x 4",
				"other is no text input; the inputs are prompt, image, mask, style, reference", "style is required, or one of reference",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := wholeRequest()
			c.change(&r)
			_, err := inpainting().CheckRequest(r, c.raw)
			if !errors.Is(err, ErrInvalidInput) {
				t.Fatalf("%v is no %v", err, ErrInvalidInput)
			}
			if want := strings.Join(c.want, "; "); err.Error() != want {
				t.Errorf("\n%v, want\n%v", err, want)
			}
			e := AsError(err)
			if len(e.Faults) != len(c.want) || e.Param != e.Faults[0].Param {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestCheckRequest_reports_the_same_faults_in_the_same_order(t *testing.T) {
	r := wholeRequest()
	for i := range 6 {
		r.Texts[fmt.Sprintf("text%d", i)] = []string{"x"}
		r.Images[fmt.Sprintf("image%d", i)] = []Image{rgb(1, 1)}
	}
	_, first := inpainting().CheckRequest(r, nil)
	for range 50 {
		if _, err := inpainting().CheckRequest(r, nil); err.Error() != first.Error() {
			t.Fatalf("%v\nand then\n%v", first, err)
		}
	}
}

func TestCheckRequest_of_nothing_against_nothing(t *testing.T) {
	if _, err := (Description{}).CheckRequest(Request{}, nil); err != nil {
		t.Error(err)
	}
}

// pngOf is the shortest file that has a PNG's frame: header, size and end.
func pngOf(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 2, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
	return append(b, "\x00\x00\x00\x00IEND\xaeB`\x82"...)
}

func TestCheckResult_of_an_image_names_how_it_broke_the_description(t *testing.T) {
	d := inpainting()
	request, err := d.CheckRequest(wholeRequest(), nil) // 8 x 4, doubled
	if err != nil {
		t.Fatal(err)
	}
	asPNG := d
	asPNG.Output.MediaType = PNG
	small := d
	small.Output.MaxBytes = 100
	free := d
	free.Output.Width, free.Output.Height = Extent{}, Extent{}
	sized := d
	sized.Output.Width, sized.Output.Height = Extent{Parameter: "steps", Plus: []string{"scale", "scale"}}, Extent{Parameter: "steps"}
	png := Image{MediaType: PNG, Width: 16, Height: 8, Data: pngOf(16, 8)}
	cut := png
	cut.Data = png.Data[:len(png.Data)-1]
	other := png
	other.Data = pngOf(16, 9)
	for name, c := range map[string]struct {
		d      Description
		result Result
		want   string // "" is sound
	}{
		"sound":                  {d, Result{Images: []Image{rgb(16, 8)}}, ""},
		"unsafe":                 {d, Result{Unsafe: true, Features: &Features{}}, ""},
		"unsafe with the image":  {d, Result{Unsafe: true, Images: []Image{rgb(16, 8)}}, "an unsafe result carries an image"},
		"unsafe with embeddings": {d, Result{Unsafe: true, Embeddings: [][]float32{{1}}}, "an unsafe result carries an image"},
		"no image":               {d, Result{}, "0 images and 0 embeddings"},
		"two images":             {d, Result{Images: []Image{rgb(16, 8), rgb(16, 8)}}, "2 images and 0 embeddings"},
		"an embedding too":       {d, Result{Images: []Image{rgb(16, 8)}, Embeddings: [][]float32{{1}}}, "1 images and 1 embeddings"},
		"media type":             {d, Result{Images: []Image{png}}, `media type "image/png", declared "image/x-raw-rgb"`},
		"too many bytes":         {small, Result{Images: []Image{rgb(16, 8)}}, "384 bytes, declared at most 100"},
		"width":                  {d, Result{Images: []Image{rgb(8, 8)}}, "8 x 8 px, declared 16 x 8"},
		"height":                 {d, Result{Images: []Image{rgb(16, 4)}}, "16 x 4 px, declared 16 x 8"},
		"any size":               {free, Result{Images: []Image{rgb(3, 5)}}, ""},
		"size by parameters":     {sized, Result{Images: []Image{rgb(12, 8)}}, ""},
		"not by the parameters":  {sized, Result{Images: []Image{rgb(8, 8)}}, "8 x 8 px, declared 12 x 8"},
		"too few raw bytes": {
			d, Result{Images: []Image{{MediaType: RawRGB, Width: 16, Height: 8, Data: make([]byte, 383)}}}, "383 bytes for 16 x 8 raw RGB",
		},
		"PNG":             {asPNG, Result{Images: []Image{png}}, ""},
		"a cut PNG":       {asPNG, Result{Images: []Image{cut}}, "the bytes are no PNG"},
		"no bytes at all": {asPNG, Result{Images: []Image{{MediaType: PNG, Width: 16, Height: 8}}}, "the bytes are no PNG"},
		"PNG header": {
			asPNG, Result{Images: []Image{other}}, "the PNG is 16 x 9 px, said to be 16 x 8",
		},
		"a JPEG called PNG": {
			asPNG, Result{Images: []Image{{MediaType: PNG, Width: 16, Height: 8, Data: bytes.Repeat([]byte{0xff, 0xd8}, 100)}}}, "the bytes are no PNG",
		},
	} {
		t.Run(name, func(t *testing.T) { broken(t, c.d.CheckResult(request, c.result), c.want) })
	}
}

// broken checks that err is the plugin's fault with that text, or nil for none.
func broken(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (!errors.Is(err, ErrInternal) || !strings.Contains(err.Error(), want)):
		t.Errorf("%v, want %q", err, want)
	}
}

// The product of the sides and 3 wraps around to the very number of bytes that are there.
func TestCheckResult_is_not_deceived_by_sides_whose_product_overflows(t *testing.T) {
	d := inpainting()
	d.Output.Width, d.Output.Height = Extent{}, Extent{}
	w, h := uint32(3649452082), uint32(1684887088)
	image := Image{MediaType: RawRGB, Width: int(w), Height: int(h), Data: make([]byte, 32)}
	if uint64(w)*uint64(h)*3 != uint64(len(image.Data)) {
		t.Fatalf("%d x %d does not wrap to %d", w, h, len(image.Data))
	}
	broken(t, d.CheckResult(Request{}, Result{Images: []Image{image}}), "bytes")
}

func TestCheckResult_of_embeddings_names_how_it_broke_the_description(t *testing.T) {
	d := Description{
		Endpoint: "embedding", Inputs: []Input{{Name: "image", Kind: ImageInput, MaxCount: 4}, {Name: "text", Kind: TextInput, MaxCount: 4}},
		Output: Output{Kind: EmbeddingOutput, Dimensions: 2},
	}
	request := Request{Texts: map[string][]string{"text": {"x"}}, Images: map[string][]Image{"image": {rgb(1, 1)}}}
	anyLength := d
	anyLength.Output.Dimensions = 0
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		d      Description
		result Result
		want   string
	}{
		"sound":           {d, Result{Embeddings: [][]float32{{1, 0}, {0.6, -0.8}}}, ""},
		"any length":      {anyLength, Result{Embeddings: [][]float32{{1}, {0, 0, 1}}}, ""},
		"too few":         {d, Result{Embeddings: [][]float32{{1, 0}}}, "1 embeddings and 0 images for 2 inputs"},
		"too many":        {d, Result{Embeddings: [][]float32{{1, 0}, {1, 0}, {1, 0}}}, "3 embeddings and 0 images for 2 inputs"},
		"an image":        {d, Result{Embeddings: [][]float32{{1, 0}, {1, 0}}, Images: []Image{rgb(1, 1)}}, "2 embeddings and 1 images"},
		"another length":  {d, Result{Embeddings: [][]float32{{1, 0}, {1}}}, "an embedding of length 1, declared 2"},
		"not of length 1": {d, Result{Embeddings: [][]float32{{1, 0}, {1, 1}}}, "instead of a unit vector"},
		"zero":            {d, Result{Embeddings: [][]float32{{0, 0}, {1, 0}}}, "instead of a unit vector"},
		"empty":           {anyLength, Result{Embeddings: [][]float32{{}, {1}}}, "instead of a unit vector"},
		"NaN":             {d, Result{Embeddings: [][]float32{{nan, 0}, {1, 0}}}, "instead of a unit vector"},
		"infinite":        {d, Result{Embeddings: [][]float32{{1, 0}, {inf, 0}}}, "instead of a unit vector"},
	} {
		t.Run(name, func(t *testing.T) { broken(t, c.d.CheckResult(request, c.result), c.want) })
	}
}

func TestDescriptionCheck_names_what_is_wrong(t *testing.T) {
	if err := inpainting().Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Description){
		`endpoint is ""`:                 func(d *Description) { d.Endpoint = "" },
		`endpoint is "Text"`:             func(d *Description) { d.Endpoint = "Text" },
		`endpoint is "-a"`:               func(d *Description) { d.Endpoint = "-a" },
		`endpoint is "a/b"`:              func(d *Description) { d.Endpoint = "a/b" },
		"endpoint is":                    func(d *Description) { d.Endpoint = strings.Repeat("a", 65) },
		"mask is declared twice":         func(d *Description) { d.Inputs = append(d.Inputs, Input{Name: "mask", Kind: MaskInput}) },
		"steps is declared twice":        func(d *Description) { d.Inputs = append(d.Inputs, Input{Name: "steps", Kind: TextInput}) },
		"seed declared twice":            func(d *Description) { d.Parameters = append(d.Parameters, d.Parameters[2]) },
		`unknown kind "audio"`:           func(d *Description) { d.Inputs = append(d.Inputs, Input{Name: "sound", Kind: "audio"}) },
		`mask has the size of "x"`:       func(d *Description) { d.Inputs[2].SameSizeAs = "x" },
		`image has the content "sketch"`: func(d *Description) { d.Inputs[1].Content = "sketch" },
		`mask has the content "lines"`:   func(d *Description) { d.Inputs[2].Content = Lines },
		"output has the cosine 1":        func(d *Description) { d.Output = Output{Kind: EmbeddingOutput, SameCosine: 1} },
		`mask has the size of "prompt", which is no image input`: func(d *Description) { d.Inputs[2].SameSizeAs = "prompt" },
		`one_of names the unknown input "x"`:                     func(d *Description) { d.OneOf = []string{"x"} },
		`p unknown type "x"`:                                     func(d *Description) { d.Config = schema.Schema{{Name: "p", Type: "x"}} },
		`output has the media type "image/webp"`:                 func(d *Description) { d.Output.MediaType = WebP },
		`output has the unknown kind "sound"`:                    func(d *Description) { d.Output.Kind = "sound" },
		`output has the size of "prompt", which is no image`:     func(d *Description) { d.Output.Width.Input = "prompt" },
		`output has the size of "zoom", which is no int`:         func(d *Description) { d.Output.Height.Times = "zoom" },
		`output has the size of "more", which is no int`:         func(d *Description) { d.Output.Height.Plus = []string{"more"} },
		"max_concurrency is 257: from 1 to 256":                  func(d *Description) { d.Capabilities.MaxConcurrency = 257 },
		"max_concurrency is -1":                                  func(d *Description) { d.Capabilities.MaxConcurrency = -1 },
		"memory is negative":                                     func(d *Description) { d.MemoryBytes = -1 },
	} {
		t.Run(want, func(t *testing.T) {
			d := inpainting()
			change(&d)
			err := d.Check()
			if !errors.Is(err, ErrInvalidInput) || !strings.Contains(err.Error(), want) || len(AsError(err).Faults) != 1 {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

func TestDescriptionCheck_reports_everything_at_once(t *testing.T) {
	d := Description{Inputs: []Input{{Name: "a", Kind: "x"}, {Name: "a", Kind: TextInput}}, OneOf: []string{"b"}, MemoryBytes: -1}
	var got []string
	for _, f := range AsError(d.Check()).Faults {
		got = append(got, f.Param)
	}
	if want := []string{"endpoint", "a", "a", "one_of", "output", "memory"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDescription_zero_values_mean_the_defaults(t *testing.T) {
	if (Input{}).Count() != 1 || (Input{MaxCount: 3}).Count() != 3 {
		t.Error("Count")
	}
	if (Input{}).TextLimit() != DefaultMaxText || (Input{MaxLength: 3}).TextLimit() != 3 {
		t.Error("TextLimit")
	}
	if (Input{}).PixelLimit() != DefaultMaxPixels || (Input{MaxPixels: 3}).PixelLimit() != 3 {
		t.Error("PixelLimit")
	}
	if (Output{}).ByteLimit() != DefaultMaxOutput || (Output{MaxBytes: 3}).ByteLimit() != 3 {
		t.Error("ByteLimit")
	}
	if (Capabilities{}).Concurrency() != 1 || (Capabilities{MaxConcurrency: 3}).Concurrency() != 3 {
		t.Error("Concurrency")
	}
	if !(Extent{Times: "x"}).Any() || (Extent{Parameter: "x"}).Any() || (Extent{Input: "x"}).Any() {
		t.Error("Any")
	}
}

var sentinels = []*Error{ErrInvalidInput, ErrUnsafe, ErrOutOfMemory, ErrCancelled, ErrDeadline, ErrBusy, ErrUnavailable, ErrInternal}

func TestError_is_the_sentinel_of_its_code_alone(t *testing.T) {
	for _, is := range sentinels {
		err := fmt.Errorf("outer: %w", &Error{Code: is.Code, Message: "inner", RetryAfter: time.Second})
		for _, s := range sentinels {
			if errors.Is(err, s) != (s == is) {
				t.Errorf("%v is %v: %t", is.Code, s.Code, s != is)
			}
		}
	}
	if errors.Is(ErrBusy, NewError(CodeBusy, "with a message", nil)) {
		t.Error("an error with a message is no sentinel")
	}
	if ErrBusy.Error() != "busy" || NewError(CodeBusy, "full", nil).Error() != "full" {
		t.Error("text")
	}
	if cause := errors.New("cause"); !errors.Is(NewError(CodeInternal, "x", cause), cause) {
		t.Error("the cause is lost")
	}
}

func TestAsError_gives_any_error_a_code(t *testing.T) {
	typed := InvalidInput("steps", "is wrong")
	for name, c := range map[string]struct {
		err  error
		want *Error
	}{
		"typed":     {typed, ErrInvalidInput},
		"wrapped":   {fmt.Errorf("outer: %w", typed), ErrInvalidInput},
		"deadline":  {fmt.Errorf("outer: %w", context.DeadlineExceeded), ErrDeadline},
		"cancelled": {context.Canceled, ErrCancelled},
		"other":     {errors.New("cuDNN failed"), ErrInternal},
	} {
		if got := AsError(c.err); !errors.Is(got, c.want) {
			t.Errorf("%s: %v is no %v", name, got, c.want)
		}
	}
	if AsError(nil) != nil {
		t.Error("nil is an error")
	}
	if got := AsError(fmt.Errorf("outer: %w", typed)); got != typed {
		t.Errorf("%+v is not the one in the chain", got)
	}
	if got := AsError(errors.New("cuDNN failed")); got.Message != "cuDNN failed" {
		t.Error(got)
	}
}

func TestInvalidInputs_is_nil_without_faults(t *testing.T) {
	if err := InvalidInputs(nil); err != nil {
		t.Errorf("%#v", err)
	}
	err := InvalidInputs(schema.Faults{{Param: "a", Message: "is wrong"}, {Param: "b", Message: "is too"}})
	if e := AsError(err); e.Param != "a" || e.Message != "a is wrong; b is too" || len(e.Faults) != 2 {
		t.Errorf("%+v", e)
	}
}
