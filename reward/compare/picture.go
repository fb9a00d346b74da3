package compare

import (
	"errors"
	"fmt"

	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/imaging/imagehash"
)

// Hashes are the four that the original compares, in its order. A miner that withholds an unsafe picture sends these in its place.
type Hashes struct{ Perceptual, Average, Difference, Color imagehash.Hash }

// Picture is what a comparison needs to know of one picture. It is computed once and compared often; it is safe for concurrent use.
type Picture struct {
	pixels    imaging.Pixels // of three or four channels; without an area for a claim
	gray      imaging.Pixels
	hashes    Hashes
	wavelet   imagehash.Hash
	fine      imagehash.Hash // 256 bits
	sharpness float64
	embedding []float32
}

// MaxPixels bounds the pictures that are compared: 8192 x 8192, as many as a result may hold (sdk.MaxOutput).
const MaxPixels = 64 << 20

// NewPicture computes what is compared of a picture. The embedding is that of a CLIP image encoder, the same for all pictures that are compared,
// or nil where there is none.
func NewPicture(p imaging.Pixels, embedding []float32) (*Picture, error) {
	if p.Width < 1 || p.Height < 1 {
		return nil, errors.New("an empty picture cannot be compared")
	}
	pixels, gray := p, p.Gray()
	if p.Channels == 1 {
		pixels = p.RGB()
	}
	return &Picture{
		pixels: pixels, gray: gray,
		hashes:  Hashes{imagehash.Perceptual(gray), imagehash.Average(gray), imagehash.Difference(gray), imagehash.Color(p.RGB())},
		wavelet: imagehash.Wavelet(gray), fine: imagehash.Perceptual256(gray), sharpness: sharpness(gray), embedding: embedding,
	}, nil
}

// ReadPicture is NewPicture of an encoded picture, of at most MaxPixels.
func ReadPicture(data []byte, embedding []float32) (*Picture, error) {
	p, err := imaging.Read(data, MaxPixels)
	if err != nil {
		return nil, fmt.Errorf("the picture is %w", err)
	}
	return NewPicture(p, embedding)
}

// Claim is what stands for a picture that is not shown: the features that take pixels are missing in its comparisons.
func Claim(h Hashes, embedding []float32) *Picture { return &Picture{hashes: h, embedding: embedding} }

// shown reports whether there are pixels.
func (p *Picture) shown() bool { return p.pixels.Width > 0 }

// Size is in px; 0 x 0 of a claim.
func (p *Picture) Size() (width, height int) { return p.pixels.Width, p.pixels.Height }

// Embedding is the one that the picture was made with; nil without one.
func (p *Picture) Embedding() []float32 { return p.embedding }

// Hashes are the four of the original.
func (p *Picture) Hashes() Hashes { return p.hashes }

// rgba gives a picture four channels, so that one with transparency compares with one without.
func rgba(p imaging.Pixels) imaging.Pixels {
	if p.Channels == 4 {
		return p
	}
	rgb := p.RGB()
	out := imaging.Pixels{Width: p.Width, Height: p.Height, Channels: 4, Pix: make([]byte, 0, p.Width*p.Height*4)}
	for i := 0; i < len(rgb.Pix); i += 3 {
		out.Pix = append(out.Pix, rgb.Pix[i], rgb.Pix[i+1], rgb.Pix[i+2], 255)
	}
	return out
}

// sharpness is the mean of |4 p - its four neighbours|, a discrete Laplacian, over the pixels that have them.
func sharpness(p imaging.Pixels) float64 {
	sum, n := 0, 0
	for y := 1; y < p.Height-1; y++ {
		row := p.Pix[y*p.Width : (y+1)*p.Width]
		above, below := p.Pix[(y-1)*p.Width:], p.Pix[(y+1)*p.Width:]
		for x := 1; x < p.Width-1; x++ {
			d := 4*int(row[x]) - int(row[x-1]) - int(row[x+1]) - int(above[x]) - int(below[x])
			sum += max(d, -d)
			n++
		}
	}
	return float64(sum) / float64(max(n, 1))
}
