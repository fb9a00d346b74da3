package compare

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vision19/vision/reward/gbdt"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// Kind is how the answers of an endpoint are compared.
type Kind string

// The kinds.
const (
	Image     Kind = "image"     // by trees that know the noise of denoising
	Strict    Kind = "strict"    // by trees that know the noise of a single pass: pictures of endpoints without a seed
	Embedding Kind = "embedding" // by the vectors' cosine
)

// KindOf tells it from what an endpoint says of itself: one that draws a random value, its seed, paints; one that draws none computes.
func KindOf(d sdk.Description) Kind {
	switch {
	case d.Output.Kind == sdk.EmbeddingOutput:
		return Embedding
	case slices.ContainsFunc(d.Parameters, func(p schema.Parameter) bool { return p.Random }):
		return Image
	}
	return Strict
}

// Card is what is known of a model.
type Card struct {
	Name     string   `json:"name"`
	Kind     Kind     `json:"kind"`
	Tau      float64  `json:"tau"`      // two pictures are the same from this probability on
	Features []string `json:"features"` // of Names, in the model's order
	Trees    int      `json:"trees,omitempty"`
	AUC      float64  `json:"auc,omitempty"` // on the held-out pairs
	Rates    []Rate   `json:"rates,omitempty"`
	Notes    []string `json:"notes,omitempty"`
}

// Rate is how often a model errs on held-out pairs of one kind.
type Rate struct {
	Kind   string  `json:"kind"`
	Same   bool    `json:"same"`   // whether they are to be the same
	Unseen bool    `json:"unseen"` // the model was trained on no pair of the kind
	Barred bool    `json:"barred"` // whether it counts; the rest is only reported
	Pairs  int     `json:"pairs"`
	Wrong  int     `json:"wrong"`
	Upper  float64 `json:"upper"` // 95 % upper bound of the rate (Clopper and Pearson 1934, one-sided)
}

// Model tells the same from the rest. It does not change: any number of goroutines may use it at once.
type Model struct {
	card    Card
	trees   *gbdt.Model
	columns []int // of a vector of Names
}

// ErrCard is a card that does not fit its model.
var ErrCard = errors.New("the model's card is wrong")

// NewModel makes a model of XGBoost's JSON and its card. A card without features takes those that the JSON names; of a model of four without
// names, the original's: phash, ahash, dhash, colorhash.
func NewModel(xgboost []byte, card Card) (*Model, error) {
	trees, err := gbdt.Load(xgboost)
	if err != nil {
		return nil, err
	}
	if len(card.Features) == 0 {
		card.Features = trees.FeatureNames()
	}
	if len(card.Features) == 0 && trees.NumFeatures() == 4 {
		card.Features = slices.Clone(features[:4])
	}
	if len(card.Features) != trees.NumFeatures() {
		return nil, fmt.Errorf("%w: it names %d features, the trees take %d", ErrCard, len(card.Features), trees.NumFeatures())
	}
	if !(card.Tau > 0 && card.Tau < 1) {
		return nil, fmt.Errorf("%w: tau is %g, it must lie between 0 and 1", ErrCard, card.Tau)
	}
	card.Trees = trees.Trees()
	m := &Model{card: card, trees: trees}
	for _, name := range card.Features {
		i := slices.Index(features, name)
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no feature %q; the features are %s", ErrCard, name, strings.Join(features, ", "))
		}
		m.columns = append(m.columns, i)
	}
	return m, nil
}

// Card describes the model.
func (m *Model) Card() Card { return m.card }

// Verdict is what a comparison comes to.
type Verdict struct {
	Probability float64            // that the two come from the same parameters
	Same        bool               // whether that is at least tau
	Features    map[string]float64 // by name, those that there are
}

// Compare compares two answers to a request of which a share is painted (Painted). Pictures of different sizes are not the same, and have no features.
func (m *Model) Compare(a, b *Picture, painted float64) (Verdict, error) {
	f, err := Features(a, b, painted)
	if errors.Is(err, ErrSize) {
		return Verdict{Features: map[string]float64{}}, nil
	} else if err != nil {
		return Verdict{}, err
	}
	p, err := m.Probability(f)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Probability: p, Same: p >= m.card.Tau, Features: map[string]float64{}}
	for i, x := range f {
		if !math.IsNaN(x) {
			v.Features[features[i]] = x
		}
	}
	return v, nil
}

// Probability is that of a vector of Names.
func (m *Model) Probability(f []float64) (float64, error) {
	if len(f) != len(features) {
		return 0, fmt.Errorf("%d features, %d are known", len(f), len(features))
	}
	row := make([]float64, len(m.columns))
	for i, c := range m.columns {
		row[i] = f[c]
	}
	_, p, err := m.trees.Predict(row)
	return p, err
}

//go:embed models/*.json
var shipped embed.FS

// Shipped returns the model that this version brings along for a kind of pictures.
func Shipped(k Kind) (*Model, error) {
	card, err := ShippedCard(k)
	if err != nil {
		return nil, err
	}
	trees, err := shipped.ReadFile("models/" + string(k) + ".xgboost.json")
	if err != nil {
		return nil, fmt.Errorf("no trees are shipped for the kind %q: %w", k, err)
	}
	return NewModel(trees, card)
}

// ShippedCard returns the card alone. Tau of the kind Embedding is a cosine.
func ShippedCard(k Kind) (Card, error) {
	var card Card
	data, err := shipped.ReadFile("models/" + string(k) + ".card.json")
	if err != nil {
		return card, fmt.Errorf("no model is shipped for the kind %q: image, strict, embedding are", k)
	}
	if err := json.Unmarshal(data, &card); err != nil {
		return card, fmt.Errorf("%w: %w", ErrCard, err)
	}
	return card, nil
}

// WithTau is the model with another threshold.
func (m *Model) WithTau(tau float64) *Model {
	out := *m
	out.card.Tau = tau
	return &out
}
