package arena

import (
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
)

// Kind is a way of making a picture.
type Kind string

// The kinds. Each is held against an honest answer to the same request.
const (
	Honest          Kind = "honest" // on other hardware
	HalfSteps       Kind = "half-steps"
	OtherCheckpoint Kind = "other-checkpoint" // a smaller model
	OtherSeed       Kind = "other-seed"
	OtherPrompt     Kind = "other-prompt"
	LowRes          Kind = "low-res" // scaled up
	Cached          Kind = "cached"  // made before for the same prompt
	ClipSearch      Kind = "clip-search"
)

// recorded are the kinds that a file of pairs must have. A search needs no record: it takes the best of many.
var recorded = []Kind{Honest, HalfSteps, OtherCheckpoint, OtherSeed, OtherPrompt, LowRes, Cached}

// searched is among how many pictures of other seeds a CLIP search takes the one that is most like the prompt. More cost more than one honest picture.
const searched = 64

// Look is how a picture compares with the honest one.
type Look struct {
	Same   bool
	Cosine float64
}

// Gallery is where the arena's pictures come from.
type Gallery interface {
	// Draw makes a picture of a kind for a new request, by nothing but the rng.
	Draw(rng *rand.Rand, kind Kind) Look
}

// Pairs is a gallery of recorded comparisons.
type Pairs struct {
	looks  map[Kind][]Look
	search []Look // of OtherSeed by cosine
}

// The bounds of a file of pairs. Recorded pairs number some thousands for each kind, which is under a megabyte.
const (
	maxFile = 8 << 20 // bytes, unpacked
	maxRows = 1 << 15 // of one kind
)

// ErrPairs is when a file holds no usable pairs.
var ErrPairs = errors.New("not a file of recorded pairs")

//go:embed pairs.json.gz
var embedded []byte

// Recorded are the pairs that come with the program.
func Recorded() (*Pairs, error) { return Read(bytes.NewReader(embedded)) }

// file is what is in a file of pairs: of each kind [p_same, CLIP cosine] against an honest answer. Features names what p_same was predicted from.
type file struct {
	Features []string               `json:"features"`
	Tau      float64                `json:"tau"` // p_same at which two are the same
	Pairs    map[string][][]float64 `json:"pairs"`
}

// Read reads gzipped JSON. The error is ErrPairs.
func Read(r io.Reader) (*Pairs, error) {
	unzip, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPairs, err)
	}
	text, err := io.ReadAll(io.LimitReader(unzip, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPairs, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrPairs, maxFile)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPairs, err)
	}
	return f.pairs()
}

func (f file) pairs() (*Pairs, error) {
	if !(f.Tau > 0 && f.Tau < 1) {
		return nil, fmt.Errorf("%w: tau is %v; it must be between 0 and 1", ErrPairs, f.Tau)
	}
	p := &Pairs{looks: map[Kind][]Look{}}
	for _, kind := range recorded {
		rows := f.Pairs[string(kind)]
		if len(rows) == 0 || len(rows) > maxRows {
			return nil, fmt.Errorf("%w: it has %d rows of %s; it must have 1 to %d", ErrPairs, len(rows), kind, maxRows)
		}
		looks := make([]Look, len(rows))
		for i, row := range rows {
			if len(row) != 2 || !(row[0] >= 0 && row[0] <= 1) || !(row[1] >= -1 && row[1] <= 1.001) { // float32 cosines exceed 1 by rounding
				return nil, fmt.Errorf("%w: row %d of %s is %v; it must be a probability and a cosine", ErrPairs, i, kind, row)
			}
			looks[i] = Look{Same: row[0] >= f.Tau, Cosine: min(row[1], 1)}
		}
		p.looks[kind] = looks
	}
	p.search = slices.Clone(p.looks[OtherSeed])
	slices.SortStableFunc(p.search, func(a, b Look) int { return cmp.Compare(a.Cosine, b.Cosine) })
	return p, nil
}

// Draw takes one of the recorded pairs. For a search it is the best cosine of many, whose rank is distributed as the largest of so many uniform numbers;
// but where one picture of another seed passes, the request is one of which all do, so that many are no more likely to have one that passes than one is.
func (p *Pairs) Draw(rng *rand.Rand, kind Kind) Look {
	if kind == ClipSearch {
		best := p.search[int(float64(len(p.search))*math.Pow(rng.Float64(), 1.0/searched))]
		return Look{Same: p.Draw(rng, OtherSeed).Same, Cosine: best.Cosine}
	}
	looks := p.looks[kind]
	if len(looks) == 0 {
		return Look{}
	}
	return looks[rng.IntN(len(looks))]
}
