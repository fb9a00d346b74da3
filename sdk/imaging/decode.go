package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// MaxSide bounds either side of a picture, in px: JPEG's and WebP's own bounds are of that order, and no model paints larger.
const MaxSide = 16384

// What Inspect and Read find wrong; test for them with errors.Is. Their texts continue a sentence: "image is broken: ...".
var (
	ErrFormat   = errors.New("not a picture that is read") // another format, or a variant of one that is not read
	ErrTooLarge = errors.New("too large")                  // more pixels than MaxSide or the caller allows
	ErrBroken   = errors.New("broken")                     // truncated, damaged, or with foreign data behind the picture
)

// Header is what a picture says of itself before its pixels are decoded.
type Header struct {
	MediaType     string // image/png, image/jpeg, image/webp
	Width, Height int    // px, of the upright picture: an EXIF orientation that turns it by 90 degrees has swapped the sides
}

// codec is one format that is read.
type codec struct {
	mediaType string
	match     func([]byte) bool
	walk      func([]byte) (layout, error)
	config    func([]byte) (image.Config, error)
	plain     func([]byte) (Pixels, bool) // reads the usual variants, fast; may be nil
	decode    func([]byte) (image.Image, error)
}

var codecs = []codec{
	{
		mediaType: "image/png",
		match:     func(b []byte) bool { return bytes.HasPrefix(b, []byte(pngSignature)) },
		walk:      walkPNG,
		config:    func(b []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) },
		plain:     readPlainPNG,
		decode:    func(b []byte) (image.Image, error) { return png.Decode(bytes.NewReader(b)) },
	},
	{
		mediaType: "image/jpeg",
		match:     func(b []byte) bool { return bytes.HasPrefix(b, []byte("\xff\xd8\xff")) },
		walk:      walkJPEG,
		config:    func(b []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) },
		decode:    func(b []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(b)) },
	},
	{
		mediaType: "image/webp",
		match: func(b []byte) bool {
			return len(b) > 12 && bytes.HasPrefix(b, []byte("RIFF")) && bytes.Equal(b[8:12], []byte("WEBP"))
		},
		walk:   walkWebP,
		config: func(b []byte) (image.Config, error) { return webp.DecodeConfig(bytes.NewReader(b)) },
		decode: func(b []byte) (image.Image, error) { return webp.Decode(bytes.NewReader(b)) },
	},
}

// fault names the format and the kind of what walk, config or decode found.
func (c codec) fault(err error) error {
	var inPNG png.UnsupportedError
	var inJPEG jpeg.UnsupportedError
	if v := variant(""); errors.As(err, &v) || errors.As(err, &inPNG) || errors.As(err, &inJPEG) {
		return fmt.Errorf("%w: %s: %w; save it as a still 8-bit PNG", ErrFormat, c.mediaType, err)
	}
	return fmt.Errorf("%w: %s: %w; send the whole file, or save it anew with any image editor", ErrBroken, c.mediaType, err)
}

// inspect is Inspect and what Read needs beside the header.
func inspect(data []byte) (codec, layout, Header, error) {
	for _, c := range codecs {
		if !c.match(data) {
			continue
		}
		l, err := c.walk(data)
		if err != nil {
			return c, l, Header{}, c.fault(err)
		}
		config, err := c.config(data)
		if err != nil {
			return c, l, Header{}, c.fault(err)
		}
		h := Header{MediaType: c.mediaType, Width: config.Width, Height: config.Height}
		if h.Width < 1 || h.Height < 1 {
			return c, l, Header{}, c.fault(fmt.Errorf("%d x %d px", h.Width, h.Height))
		}
		if h.Width > MaxSide || h.Height > MaxSide {
			return c, l, Header{}, fmt.Errorf("%w: %d x %d px; each side is from 1 to %d px", ErrTooLarge, h.Width, h.Height, MaxSide)
		}
		l.orientation = orientation(l.exif)
		if l.orientation >= 5 {
			h.Width, h.Height = h.Height, h.Width
		}
		return c, l, h, nil
	}
	return codec{}, layout{}, Header{}, fmt.Errorf("%w: send PNG, JPEG or still WebP", ErrFormat)
}

// Inspect reads a picture's header and checks its container, without decoding pixels. Its errors are those of Read.
func Inspect(data []byte) (Header, error) {
	_, _, h, err := inspect(data)
	return h, err
}

// Read decodes a picture of at most maxPixels, upright and in 8 bits. The format is told from the first bytes, and the size is checked
// before any pixel takes memory; decoding then takes up to about 30 bytes a pixel (a progressive JPEG of four colours).
//
//   - Channels are 1 for gray, 4 where the file has transparency (a PNG's alpha or tRNS, a WebP's alpha), else 3. Alpha is kept exactly as
//     stored, never multiplied in.
//   - Of 16-bit samples the high byte is kept, as Pillow does. CMYK becomes RGB by (1-C)(1-K), without a profile.
//   - EXIF orientation (JPEG APP1, PNG eXIf, WebP EXIF) is applied. EXIF that makes no sense is ignored.
//   - Colour profiles (ICC, gAMA, cHRM) are ignored: values are taken as sRGB.
//   - JPEG and lossy WebP have their chroma interpolated linearly, as libjpeg and libwebp do: WebP equals libwebp's bytes, JPEG differs from
//     libjpeg's by rounding (up to 3 of 255 in the tests).
//   - Behind the picture's end only zeros and at most 16 other bytes are allowed, too few for a file that is also an
//     archive or a program. Metadata within the picture is skipped, not judged.
//
// Errors are ErrFormat (also for animations and variants that are not read, e.g. arithmetic-coded JPEG), ErrTooLarge and ErrBroken.
func Read(data []byte, maxPixels int) (Pixels, error) {
	c, l, h, err := inspect(data)
	if err != nil {
		return Pixels{}, err
	}
	if h.Width*h.Height > maxPixels {
		return Pixels{}, fmt.Errorf("%w: %d x %d px; at most %d px in all", ErrTooLarge, h.Width, h.Height, maxPixels)
	}
	if c.plain != nil {
		if p, ok := c.plain(data); ok {
			return p.upright(l.orientation), nil
		}
	}
	img, err := c.decode(data)
	if err != nil {
		return Pixels{}, c.fault(err)
	}
	p, err := fromImage(img, l)
	if err != nil {
		return Pixels{}, c.fault(err)
	}
	return p.upright(l.orientation), nil
}
