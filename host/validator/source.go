// Package validator gives a validator's requests the pictures that they begin with: from a pool of earlier results, or from a photo service.
package validator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/synth"
)

// What one picture may have, in the pool and from a photo service.
const (
	MaxPicturePixels = sdk.DefaultMaxPixels // what an endpoint takes unless it says otherwise; decoding it takes up to 126 MB
	MaxPictureBytes  = 16 << 20             // 24-bit pixels of that size are 12 MiB even where they do not compress
)

var (
	ErrEmpty        = errors.New("no picture of that size")    // nothing is broken: there is none within maxPixels
	ErrTooManyBytes = errors.New("picture has too many bytes") // more than MaxPictureBytes or than the whole pool may have
)

// Sources asks one source after another until one gives a picture. Sources{pool, photos} takes a photo only while the pool has no picture.
type Sources []synth.Source

// Picture implements synth.Source. The error joins those of all sources.
func (s Sources) Picture(ctx context.Context, rng *rand.Rand, maxPixels int) (sdk.Image, error) {
	var errs []error
	for _, source := range s {
		picture, err := source.Picture(ctx, rng, maxPixels)
		if err == nil {
			return picture, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return sdk.Image{}, ErrEmpty
	}
	return sdk.Image{}, errors.Join(errs...)
}

// inspect says of a picture what its own header says.
func inspect(data []byte) (sdk.Image, error) {
	header, err := imaging.Inspect(data)
	if err != nil {
		return sdk.Image{}, fmt.Errorf("picture is %w", err)
	}
	return sdk.Image{MediaType: header.MediaType, Width: header.Width, Height: header.Height, Data: data}, nil
}

// check also decodes the picture: a header may promise what does not follow.
func check(data []byte, maxPixels int) (sdk.Image, error) {
	if len(data) > MaxPictureBytes {
		return sdk.Image{}, fmt.Errorf("%w: at most %d are read", ErrTooManyBytes, MaxPictureBytes)
	}
	if _, err := imaging.Read(data, min(maxPixels, MaxPicturePixels)); err != nil {
		return sdk.Image{}, fmt.Errorf("picture is %w", err)
	}
	return inspect(data)
}
