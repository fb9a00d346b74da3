package rows

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/vision19/vision/reward/compare"
)

// recorded is how many pairs of a kind the arena gets to draw from.
const recorded = 2000

// arenaKinds are those that it draws.
var arenaKinds = []string{"honest", "half-steps", "other-checkpoint", "other-seed", "other-prompt", "low-res", "cached"}

// WriteGallery writes what the arena draws answers from: what a model says of held-out pairs, and their cosines. Pairs without embeddings are left out.
func WriteGallery(w io.Writer, card compare.Card, scored []Scored) error {
	pairs := map[string][][2]float64{}
	clip := len(compare.Names()) - 1
	for _, r := range scored {
		kind := r.Kind
		if r.Label == Honest {
			kind = "honest"
		}
		if slices.Contains(arenaKinds, kind) && !math.IsNaN(r.Features[clip]) {
			pairs[kind] = append(pairs[kind], [2]float64{float64(float32(r.P)), 1 - r.Features[clip]})
		}
	}
	for kind, rows := range pairs { // evenly from all, so that rare ones stay as rare
		step := max(1, len(rows)/recorded)
		var some [][2]float64
		for i := 0; i < len(rows); i += step {
			some = append(some, rows[i])
		}
		pairs[kind] = some
	}
	z := gzip.NewWriter(w)
	err := json.NewEncoder(z).Encode(map[string]any{"features": card.Features, "tau": card.Tau, "pairs": pairs})
	return errors.Join(err, z.Close())
}
