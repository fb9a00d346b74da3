package sdk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/schema"
)

// InputKind is what an input holds.
type InputKind string

// The kinds of inputs. A mask is an image whose white part is meant.
const (
	TextInput  InputKind = "text"
	ImageInput InputKind = "image"
	MaskInput  InputKind = "mask"
)

// OutputKind is what an endpoint answers with.
type OutputKind string

// The kinds of outputs.
const (
	ImageOutput     OutputKind = "image"
	EmbeddingOutput OutputKind = "embedding"
)

// Description tells what an endpoint takes, what it answers and what it can do.
type Description struct {
	Endpoint string // the endpoint's name, such as text-to-image: lower-case letters, digits, hyphens
	Title    string
	Doc      string
	Version  string // the plugin's own version

	Inputs     []Input
	OneOf      []string      // inputs of which at least one must be given
	Parameters schema.Schema // of a request
	Output     Output
	Config     schema.Schema // of the plugin's config block

	Notes        []string // what Configure has found out, such as the model's kind and its files' types, for `doctor`
	MemoryBytes  int64    // what one process needs at most, model and one request; an estimate until it has been measured
	Capabilities Capabilities
}

// Input is one named input of a request.
type Input struct {
	Name       string
	Doc        string
	Kind       InputKind
	Required   bool
	MaxCount   int     // how many at most; 0 is 1
	MaxLength  int     // text: characters; 0 is DefaultMaxText
	MaxPixels  int     // image, mask: width x height; 0 is DefaultMaxPixels
	SameSizeAs string  // image, mask: must have the size of this input's first image
	Content    Content // image: what it should show; requests are not checked for it
}

// Content is what an image input expects to see, for those who make requests up.
type Content string

// The contents.
const (
	AnyContent Content = ""
	Lines      Content = "lines" // white lines on black
)

// The bounds of an input that sets none.
const (
	DefaultMaxText   = 10_000    // characters; the longest prompt that the common image APIs take
	DefaultMaxPixels = 4_194_304 // 2048 x 2048: a 24-bit image of that size is 12 MiB decoded
)

// Count returns how many of the input a request may hold.
func (i Input) Count() int { return max(i.MaxCount, 1) }

// TextLimit returns the most characters of a text input.
func (i Input) TextLimit() int {
	if i.MaxLength > 0 {
		return i.MaxLength
	}
	return DefaultMaxText
}

// PixelLimit returns the most pixels of an image input.
func (i Input) PixelLimit() int {
	if i.MaxPixels > 0 {
		return i.MaxPixels
	}
	return DefaultMaxPixels
}

// Output is what an endpoint answers with; the host checks every answer against it.
type Output struct {
	Kind          OutputKind
	MediaType     string  // image: PNG or RawRGB
	Width, Height Extent  // image: what its size must be; the zero Extent allows any
	Dimensions    int     // embedding: length of each vector; 0 is any
	MaxBytes      int64   // all images together; 0 is DefaultMaxOutput
	SameCosine    float64 // embedding: the cosine that honest answers to one request have at least, below 1; 0 is DefaultSameCosine
}

// DefaultSameCosine is that of the original subnet's CLIP (validation/validator_api_server/similarity_comparisons.py).
const DefaultSameCosine = 0.995

// Cosine returns the cosine from which two embeddings count as the same.
func (o Output) Cosine() float64 {
	if o.SameCosine > 0 {
		return o.SameCosine
	}
	return DefaultSameCosine
}

// DefaultMaxOutput bounds the bytes of a result that declares no bound: a 4096 x 4096 RGB image, raw.
const DefaultMaxOutput = 48 << 20

// ByteLimit returns the most bytes that the images of a result may have.
func (o Output) ByteLimit() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return DefaultMaxOutput
}

// Extent says what one side of the output must be: the parameter, or the same side of the input's first image, times the
// parameter Times, plus the parameters Plus.
type Extent struct {
	Parameter string
	Input     string
	Times     string
	Plus      []string
}

// Any reports whether the extent allows any size.
func (e Extent) Any() bool { return e.Parameter == "" && e.Input == "" }

// Capabilities is what an endpoint can do beyond answering.
type Capabilities struct {
	MaxConcurrency int  // Infer calls at once, 1 to MaxConcurrencyLimit; 0 is 1
	Progress       bool // calls Progress.Step
	Previews       bool // calls Progress.Preview when asked
	Cancellation   bool // ends within a step of its context
	Deterministic  bool // the same request gives the same bytes on the same device

	MaxBatch int      // requests that one InferBatch call takes, at most MaxBatchLimit; 0 and 1: the endpoint is no Batcher
	BatchKey []string // parameters whose values, and image inputs whose counts and sizes, must agree within a batch
}

// MaxConcurrencyLimit bounds Capabilities.MaxConcurrency: beyond it a process queues, it does not compute.
const MaxConcurrencyLimit = 256

// Concurrency returns how many Infer calls may run at once.
func (c Capabilities) Concurrency() int { return max(c.MaxConcurrency, 1) }

// Input finds an input by name.
func (d Description) Input(name string) (Input, bool) {
	i := slices.IndexFunc(d.Inputs, func(i Input) bool { return i.Name == name })
	if i < 0 {
		return Input{}, false
	}
	return d.Inputs[i], true
}

// Check reports what is wrong with the description itself, every fault at once, as an ErrInvalidInput; nil when it is sound.
func (d Description) Check() error {
	var faults schema.Faults
	fault := func(param, format string, args ...any) {
		faults = append(faults, schema.Fault{Param: param, Message: fmt.Sprintf(format, args...)})
	}
	if !endpointName(d.Endpoint) {
		fault("endpoint", "is %q: a name of lower-case letters, digits and hyphens", d.Endpoint)
	}
	names := map[string]bool{}
	for _, i := range d.Inputs {
		if _, clash := d.Parameters.Lookup(i.Name); clash || names[i.Name] {
			fault(i.Name, "is declared twice")
		}
		names[i.Name] = true
		if !slices.Contains([]InputKind{TextInput, ImageInput, MaskInput}, i.Kind) {
			fault(i.Name, "has the unknown kind %q; the kinds are text, image, mask", i.Kind)
		}
		if i.Content != AnyContent && (i.Content != Lines || i.Kind != ImageInput) {
			fault(i.Name, "has the content %q: an image input may have %q", i.Content, Lines)
		}
		if i.SameSizeAs != "" && !d.hasImage(i.SameSizeAs) {
			fault(i.Name, "has the size of %q, which is no image input", i.SameSizeAs)
		}
	}
	for _, name := range d.OneOf {
		if !names[name] {
			fault("one_of", "names the unknown input %q", name)
		}
	}
	faults = append(append(faults, d.Parameters.Check()...), d.Config.Check()...)
	d.checkOutput(fault)
	if n := d.Capabilities.MaxConcurrency; n < 0 || n > MaxConcurrencyLimit {
		fault("max_concurrency", "is %d: from 1 to %d", n, MaxConcurrencyLimit)
	}
	d.checkBatch(fault)
	if d.MemoryBytes < 0 {
		fault("memory", "is negative")
	}
	return InvalidInputs(faults)
}

func (d Description) checkOutput(fault func(param, format string, args ...any)) {
	o := d.Output
	switch o.Kind {
	case ImageOutput:
		if o.MediaType != PNG && o.MediaType != RawRGB {
			fault("output", "has the media type %q: %s or %s", o.MediaType, PNG, RawRGB)
		}
	case EmbeddingOutput:
		if c := o.SameCosine; !(c >= 0 && c < 1) {
			fault("output", "has the cosine %g: from 0 to below 1", c)
		}
	default:
		fault("output", "has the unknown kind %q; the kinds are image, embedding", o.Kind)
	}
	for _, e := range []Extent{o.Width, o.Height} {
		if e.Input != "" && !d.hasImage(e.Input) {
			fault("output", "has the size of %q, which is no image input", e.Input)
		}
		for _, name := range append([]string{e.Parameter, e.Times}, e.Plus...) {
			if p, ok := d.Parameters.Lookup(name); name != "" && (!ok || p.Type != schema.Int) {
				fault("output", "has the size of %q, which is no int parameter", name)
			}
		}
	}
}

func (d Description) hasImage(name string) bool {
	i, ok := d.Input(name)
	return ok && i.Kind != TextInput
}

func endpointName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}
