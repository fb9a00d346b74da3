package sdk

import "github.com/vision19/vision/sdk/schema"

// Request is one piece of work. The host has checked it against the description: required inputs and parameters are
// there, values are in range, defaults are filled in, random values are drawn.
type Request struct {
	ID     string
	Texts  map[string][]string // text inputs by name, such as "prompt"
	Images map[string][]Image  // image and mask inputs by name
	Values schema.Values       // parameters
}

// Text returns the first text of an input, or "".
func (r Request) Text(name string) string {
	if len(r.Texts[name]) == 0 {
		return ""
	}
	return r.Texts[name][0]
}

// Image returns the first image of an input.
func (r Request) Image(name string) (Image, bool) {
	if len(r.Images[name]) == 0 {
		return Image{}, false
	}
	return r.Images[name][0], true
}

// Media types of images.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
	WebP = "image/webp"
	// RawRGB is width x height x 3 bytes, rows from the top, no header: the fastest form between a plugin and its host.
	RawRGB = "image/x-raw-rgb"
)

// Image is a picture in some encoding.
type Image struct {
	MediaType     string
	Width, Height int // px
	Data          []byte
}

// Result is the answer to one request.
type Result struct {
	Images     []Image       // for an image output: one, unless Unsafe
	Embeddings [][]float32   // for an embedding output: unit vectors, the images' in order and then the texts'
	Values     schema.Values // what was really used, when it differs from what was asked or was left to the plugin
	Unsafe     bool          // the safety check refused the image: Images is empty and Features stands for it
	Features   *Features
	Warnings   []string // for the caller to read
}

// Features stand for an image that may not be sent, so that it can still be compared.
type Features struct {
	Hashes    map[string]string // phash, ahash, dhash, colorhash as hex
	Embedding []float32         // CLIP image embedding
}
