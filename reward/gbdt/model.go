package gbdt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dmitryikh/leaves"
	"github.com/dmitryikh/leaves/transformation"
)

// ErrRow is what Predict finds wrong with its features.
var ErrRow = errors.New("not a row of the model's features")

// Model is a loaded model. It does not change: any number of goroutines may use it at once.
type Model struct {
	forest   *forest
	margins  *leaves.Ensemble
	logistic transformation.Transform // from a margin to a probability
}

// Load reads a model that XGBoost 1.7 to 3 wrote as JSON: gbtree or dart, binary:logistic or reg:logistic, splits by number only. Its error
// is ErrBroken, ErrUnsupported or ErrTooLarge.
func Load(json []byte) (*Model, error) {
	f, err := parse(json)
	if err != nil {
		return nil, err
	}
	transcoded := f.transcode()
	if err := f.inspect(transcoded); err != nil {
		return nil, err
	}
	e, err := leaves.XGEnsembleFromReader(bufio.NewReader(bytes.NewReader(transcoded)), true)
	if err != nil {
		return nil, fmt.Errorf("leaves: %w", err)
	}
	return &Model{forest: f, margins: e.EnsembleWithRawPredictions(), logistic: e.Transformation()}, nil
}

// Predict evaluates one row of NumFeatures features in the model's order; NaN is a missing one. A feature is rounded to float32 first, as
// XGBoost has it. The margin is the sum of all trees and the base score's logit, the probability is 1/(1+exp(-margin)). The error is ErrRow:
// another number of features, or one that is infinite in float32.
func (m *Model) Predict(features []float64) (margin, probability float64, err error) {
	if len(features) != m.forest.features {
		return 0, 0, fmt.Errorf("%w: it has %d, the model takes %s", ErrRow, len(features), m.takes())
	}
	row := make([]float64, len(features))
	for i, x := range features {
		if row[i] = float64(float32(x)); math.IsInf(row[i], 0) {
			return 0, 0, fmt.Errorf("%w: number %d is %v, which float32 does not hold", ErrRow, i+1, x)
		}
	}
	answer := make([]float64, 2)
	err = m.margins.Predict(row, 0, answer[:1]) // 0: all trees
	if err == nil {
		err = m.logistic.Transform(answer[:1], answer, 1)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("leaves: %w", err)
	}
	return answer[0], answer[1], nil
}

// takes says which features a row has.
func (m *Model) takes() string {
	n := fmt.Sprint(m.forest.features)
	if len(m.forest.names) == 0 {
		return n
	}
	return n + ": " + strings.Join(m.forest.names, ", ")
}

// FeatureNames are the names of the features in their order, or none if the model has none.
func (m *Model) FeatureNames() []string { return slices.Clone(m.forest.names) }

// NumFeatures is how many features a row has.
func (m *Model) NumFeatures() int { return m.forest.features }

// Trees is how many trees there are.
func (m *Model) Trees() int { return len(m.forest.trees) }

// Card is what a model card says of a model's structure.
type Card struct {
	XGBoost   string   `json:"xgboost"` // the version that wrote it, such as 2.0.3
	Booster   string   `json:"booster"` // gbtree or dart
	Objective string   `json:"objective"`
	BaseScore float64  `json:"base_score"` // the probability without any tree
	Trees     int      `json:"trees"`
	Leaves    int      `json:"leaves"`
	Depth     int      `json:"depth"`    // the most splits on a way to a leaf
	Features  []string `json:"features"` // none if the model has no names
	Splits    []int    `json:"splits"`   // how many splits there are by each feature
}

// Card describes the model.
func (m *Model) Card() Card {
	f := m.forest
	c := Card{XGBoost: f.version, Booster: f.booster(), Objective: f.objective, BaseScore: float64(f.base), Trees: len(f.trees), Features: m.FeatureNames()}
	c.Splits = make([]int, f.features)
	for _, t := range f.trees {
		depth := make([]int, len(t))
		for i, n := range t {
			if n.left == 0 {
				c.Leaves++
				c.Depth = max(c.Depth, depth[i])
				continue
			}
			c.Splits[n.feature]++
			depth[n.left], depth[n.right] = depth[i]+1, depth[i]+1
		}
	}
	return c
}
