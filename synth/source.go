package synth

import (
	"context"
	"math/rand/v2"

	"github.com/vision19/vision/sdk"
)

// Source gives pictures to begin requests with. Its error never stops synthesis: a procedural picture takes the place of one that does not come.
// Implementations are safe for concurrent use.
type Source interface {
	// Picture gives a PNG, JPEG or WebP of at most maxPixels. What it draws it draws with rng.
	Picture(ctx context.Context, rng *rand.Rand, maxPixels int) (sdk.Image, error)
}
