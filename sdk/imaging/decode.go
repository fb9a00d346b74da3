// Package imaging reads and writes pictures within bounds. It is pure Go and knows PNG, JPEG and WebP, recognised by their
// first bytes; what a caller says of the format is not asked.
package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// MaxSide bounds either side of a picture, in px: JPEG's and WebP's own bounds are of that order, and no model paints larger.
const MaxSide = 16384

// Header is what a picture's first bytes say.
type Header struct {
	MediaType     string // image/png, image/jpeg, image/webp
	Width, Height int    // px
}

// codec is one format that is read.
type codec struct {
	mediaType string
	match     func([]byte) bool
	config    func([]byte) (image.Config, error)
	decode    func([]byte) (image.Image, error)
}

var codecs = []codec{
	{
		mediaType: "image/png",
		match:     func(b []byte) bool { return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) },
		config:    func(b []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) },
		decode:    func(b []byte) (image.Image, error) { return png.Decode(bytes.NewReader(b)) },
	},
	{
		mediaType: "image/jpeg",
		match:     func(b []byte) bool { return bytes.HasPrefix(b, []byte("\xff\xd8\xff")) },
		config:    func(b []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) },
		decode:    func(b []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(b)) },
	},
	{
		mediaType: "image/webp",
		match: func(b []byte) bool {
			return len(b) > 12 && bytes.HasPrefix(b, []byte("RIFF")) && bytes.Equal(b[8:12], []byte("WEBP"))
		},
		config: func(b []byte) (image.Config, error) { return webp.DecodeConfig(bytes.NewReader(b)) },
		decode: func(b []byte) (image.Image, error) { return webp.Decode(bytes.NewReader(b)) },
	},
}

func find(data []byte) (codec, error) {
	for _, c := range codecs {
		if c.match(data) {
			return c, nil
		}
	}
	return codec{}, fmt.Errorf("not a picture: PNG, JPEG and WebP are read")
}

// Inspect reads a picture's header, without decoding pixels.
func Inspect(data []byte) (Header, error) {
	c, err := find(data)
	if err != nil {
		return Header{}, err
	}
	config, err := c.config(data)
	if err != nil {
		return Header{}, fmt.Errorf("broken %s: %w", c.mediaType, err)
	}
	if config.Width < 1 || config.Height < 1 || config.Width > MaxSide || config.Height > MaxSide {
		return Header{}, fmt.Errorf("%d x %d px: each side is from 1 to %d", config.Width, config.Height, MaxSide)
	}
	return Header{MediaType: c.mediaType, Width: config.Width, Height: config.Height}, nil
}

// Decode decodes a picture of at most maxPixels; the size is checked before any pixel takes memory.
func Decode(data []byte, maxPixels int) (image.Image, error) {
	h, err := Inspect(data)
	if err != nil {
		return nil, err
	}
	if h.Width*h.Height > maxPixels {
		return nil, fmt.Errorf("%d x %d px: at most %d px in all", h.Width, h.Height, maxPixels)
	}
	c, err := find(data)
	if err != nil {
		return nil, err
	}
	img, err := c.decode(data)
	if err != nil {
		return nil, fmt.Errorf("broken %s: %w", c.mediaType, err)
	}
	return img, nil
}
