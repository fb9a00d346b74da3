package api

import "github.com/vision19/vision/sdk"

// Description is an endpoint's description as JSON: parameters and configuration are JSON Schemas.
type Description struct {
	Endpoint     string         `json:"endpoint"`
	Title        string         `json:"title"`
	Doc          string         `json:"doc"`
	Version      string         `json:"version"`
	Inputs       []Input        `json:"inputs"`
	OneOf        []string       `json:"one_of,omitempty"`
	Parameters   map[string]any `json:"parameters"`
	Config       map[string]any `json:"config"`
	Output       Output         `json:"output"`
	Notes        []string       `json:"notes,omitempty"` // what the plugin has found in its configuration
	MemoryBytes  int64          `json:"memory_bytes"`
	Capabilities Capabilities   `json:"capabilities"`
}

// Input is one input of a Description.
type Input struct {
	Name       string `json:"name"`
	Doc        string `json:"doc"`
	Kind       string `json:"kind"`
	Required   bool   `json:"required"`
	MaxCount   int    `json:"max_count"`
	MaxLength  int    `json:"max_length,omitempty"` // text: characters
	MaxPixels  int    `json:"max_pixels,omitempty"` // image, mask
	SameSizeAs string `json:"same_size_as,omitempty"`
	Content    string `json:"content,omitempty"` // image: lines, which are white on black
}

// Output is what a Description answers with.
type Output struct {
	Kind       string `json:"kind"`
	MediaType  string `json:"media_type,omitempty"`
	Dimensions int    `json:"dimensions,omitempty"`
	MaxBytes   int64  `json:"max_bytes"`
}

// Capabilities is what an endpoint can do beyond answering.
type Capabilities struct {
	MaxConcurrency int      `json:"max_concurrency"`
	Progress       bool     `json:"progress"`
	Previews       bool     `json:"previews"`
	Cancellation   bool     `json:"cancellation"`
	Deterministic  bool     `json:"deterministic"`
	MaxBatch       int      `json:"max_batch,omitempty"` // requests that are computed together at most
	BatchKey       []string `json:"batch_key,omitempty"` // parameters and image inputs that must agree within a batch
}

// NewDescription makes the JSON form.
func NewDescription(d sdk.Description) Description {
	out := Description{
		Endpoint: d.Endpoint, Title: d.Title, Doc: d.Doc, Version: d.Version, OneOf: d.OneOf, Notes: d.Notes, Inputs: []Input{},
		Parameters: d.Parameters.JSONSchema(), Config: d.Config.JSONSchema(), MemoryBytes: d.MemoryBytes,
		Output:       Output{Kind: string(d.Output.Kind), MediaType: d.Output.MediaType, Dimensions: d.Output.Dimensions, MaxBytes: d.Output.ByteLimit()},
		Capabilities: Capabilities(d.Capabilities),
	}
	for _, i := range d.Inputs {
		in := Input{Name: i.Name, Doc: i.Doc, Kind: string(i.Kind), Required: i.Required, MaxCount: i.Count(), SameSizeAs: i.SameSizeAs, Content: string(i.Content)}
		if i.Kind == sdk.TextInput {
			in.MaxLength = i.TextLimit()
		} else {
			in.MaxPixels = i.PixelLimit()
		}
		out.Inputs = append(out.Inputs, in)
	}
	return out
}
