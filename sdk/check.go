package sdk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vision19/vision/sdk/schema"
)

// CheckRequest validates raw parameters and the inputs against the description and returns the request that Infer gets,
// defaults filled in. All faults are reported at once, as an ErrInvalidInput. Random parameters that are absent stay absent.
func (d Description) CheckRequest(r Request, raw map[string]any) (Request, error) {
	values, faults := d.Parameters.Validate(raw)
	for i, f := range faults {
		if _, known := d.Parameters.Lookup(f.Param); !known && len(d.Inputs) > 0 {
			faults[i].Message += "; the inputs are " + d.inputNames()
		}
	}
	fault := func(param, format string, args ...any) {
		faults = append(faults, schema.Fault{Param: param, Message: fmt.Sprintf(format, args...)})
	}
	for _, in := range d.Inputs {
		n := len(r.Texts[in.Name]) + len(r.Images[in.Name])
		if in.Required && n == 0 {
			fault(in.Name, "is required")
		}
		if n > in.Count() {
			fault(in.Name, "is given %d times: at most %d", n, in.Count())
		}
		d.checkInput(r, in, fault)
	}
	d.checkUnknown(r, fault)
	if len(d.OneOf) > 0 && !d.hasOneOf(r) {
		fault(d.OneOf[0], "is required, or one of %s", strings.Join(d.OneOf[1:], ", "))
	}
	r.Values = values
	return r, InvalidInputs(faults)
}

func (d Description) hasOneOf(r Request) bool {
	for _, name := range d.OneOf {
		if len(r.Texts[name])+len(r.Images[name]) > 0 {
			return true
		}
	}
	return false
}

// checkUnknown reports inputs that the description lacks, or has as another kind.
func (d Description) checkUnknown(r Request, fault func(param, format string, args ...any)) {
	var texts, images []string
	for name := range r.Texts {
		if in, ok := d.Input(name); !ok || in.Kind != TextInput {
			texts = append(texts, name)
		}
	}
	for name := range r.Images {
		if !d.hasImage(name) {
			images = append(images, name)
		}
	}
	if len(texts)+len(images) == 0 {
		return
	}
	for _, name := range slices.Sorted(slices.Values(texts)) {
		fault(name, "is no text input; the inputs are %s", d.inputNames())
	}
	for _, name := range slices.Sorted(slices.Values(images)) {
		fault(name, "is no image input; the inputs are %s", d.inputNames())
	}
}

func (d Description) inputNames() string {
	var names []string
	for _, in := range d.Inputs {
		names = append(names, in.Name)
	}
	return strings.Join(names, ", ")
}

func (d Description) checkInput(r Request, in Input, fault func(param, format string, args ...any)) {
	for _, text := range r.Texts[in.Name] {
		if !utf8.ValidString(text) {
			fault(in.Name, "is not valid UTF-8 text")
		} else if n := utf8.RuneCountInString(text); n > in.TextLimit() {
			fault(in.Name, "has %d characters: at most %d", n, in.TextLimit())
		} else if in.Required && strings.TrimSpace(text) == "" {
			fault(in.Name, "is empty")
		}
	}
	for _, image := range r.Images[in.Name] {
		if image.Width*image.Height > in.PixelLimit() {
			side := int(math.Sqrt(float64(in.PixelLimit())))
			fault(in.Name, "has %d x %d px: at most %d px in all, such as %d x %d", image.Width, image.Height, in.PixelLimit(), side, side)
		}
		same, ok := r.Image(in.SameSizeAs)
		if in.SameSizeAs != "" && ok && (same.Width != image.Width || same.Height != image.Height) {
			fault(in.Name, "is %d x %d px: it must have the size of %s, %d x %d", image.Width, image.Height, in.SameSizeAs, same.Width, same.Height)
		}
	}
}

// CheckResult reports where a result breaks the description, as an ErrInternal: the plugin is wrong, not the caller.
func (d Description) CheckResult(request Request, result Result) error {
	if message := d.brokenBy(request, result); message != "" {
		return NewError(CodeInternal, "the plugin broke its own description: "+message, nil)
	}
	return nil
}

func (d Description) brokenBy(request Request, result Result) string {
	if d.Output.Kind == EmbeddingOutput {
		return d.brokenEmbeddings(request, result)
	}
	if result.Unsafe {
		if len(result.Images) > 0 || len(result.Embeddings) > 0 {
			return "an unsafe result carries an image"
		}
		return ""
	}
	if len(result.Images) != 1 || len(result.Embeddings) > 0 {
		return fmt.Sprintf("%d images and %d embeddings for an image output", len(result.Images), len(result.Embeddings))
	}
	image := result.Images[0]
	if image.MediaType != d.Output.MediaType {
		return fmt.Sprintf("media type %q, declared %q", image.MediaType, d.Output.MediaType)
	}
	if n := int64(len(image.Data)); n > d.Output.ByteLimit() {
		return fmt.Sprintf("%d bytes, declared at most %d", n, d.Output.ByteLimit())
	}
	w, h := d.Output.Width.resolve(request, Image.width), d.Output.Height.resolve(request, Image.height)
	if (w != 0 && w != image.Width) || (h != 0 && h != image.Height) {
		return fmt.Sprintf("%d x %d px, declared %d x %d", image.Width, image.Height, w, h)
	}
	return image.brokenBytes()
}

func (i Image) width() int  { return i.Width }
func (i Image) height() int { return i.Height }

// resolve returns the size that the extent demands for a request, 0 for any.
func (e Extent) resolve(r Request, side func(Image) int) int {
	if e.Any() {
		return 0
	}
	size := int(r.Values.Int(e.Parameter))
	if e.Input != "" {
		image, _ := r.Image(e.Input)
		size = side(image)
	}
	if e.Times != "" {
		size *= int(r.Values.Int(e.Times))
	}
	for _, name := range e.Plus {
		size += int(r.Values.Int(name))
	}
	return size
}

// brokenBytes checks that the bytes are what the header claims, without decoding the pixels.
func (i Image) brokenBytes() string {
	if i.MediaType == RawRGB {
		// By division: the product of two sides that a plugin claims may overflow.
		if i.Width < 1 || i.Height < 1 || i.Width > len(i.Data)/3/i.Height || len(i.Data) != i.Width*i.Height*3 {
			return fmt.Sprintf("%d bytes for %d x %d raw RGB", len(i.Data), i.Width, i.Height)
		}
		return ""
	}
	const header = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	if len(i.Data) < 45 || !bytes.HasPrefix(i.Data, []byte(header)) || !bytes.HasSuffix(i.Data, []byte("IEND\xaeB`\x82")) {
		return "the bytes are no PNG"
	}
	w, h := binary.BigEndian.Uint32(i.Data[16:]), binary.BigEndian.Uint32(i.Data[20:])
	if int64(w) != int64(i.Width) || int64(h) != int64(i.Height) {
		return fmt.Sprintf("the PNG is %d x %d px, said to be %d x %d", w, h, i.Width, i.Height)
	}
	return ""
}

func (d Description) brokenEmbeddings(request Request, result Result) string {
	want := 0
	for _, in := range d.Inputs {
		want += len(request.Images[in.Name]) + len(request.Texts[in.Name])
	}
	if len(result.Embeddings) != want || len(result.Images) > 0 {
		return fmt.Sprintf("%d embeddings and %d images for %d inputs", len(result.Embeddings), len(result.Images), want)
	}
	for _, e := range result.Embeddings {
		if d.Output.Dimensions != 0 && len(e) != d.Output.Dimensions {
			return fmt.Sprintf("an embedding of length %d, declared %d", len(e), d.Output.Dimensions)
		}
		sum := 0.0
		for _, x := range e {
			sum += float64(x) * float64(x)
		}
		if !(math.Abs(sum-1) <= 1e-3) { // written so that NaN fails too
			return fmt.Sprintf("an embedding of length %g instead of a unit vector", math.Sqrt(sum))
		}
	}
	return ""
}
