package gbdt

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// walk evaluates a model's JSON as XGBoost does, and shares no code with what it checks: float32 sums, x < t goes left.
type walk struct {
	base    float32
	trees   []any
	weights []any
	less    func(x float64, t float32) bool
}

func walkOf(t testing.TB, model []byte) walk {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(model, &d); err != nil {
		t.Fatal(err)
	}
	at := func(d any, path ...string) any {
		for _, key := range path {
			d = d.(map[string]any)[key]
		}
		return d
	}
	base, err := strconv.ParseFloat(strings.Trim(at(d, "learner", "learner_model_param", "base_score").(string), "[]"), 32)
	if err != nil {
		t.Fatal(err)
	}
	booster := at(d, "learner", "gradient_booster")
	w := walk{base: float32(base), less: func(x float64, t float32) bool { return float32(x) < t }}
	if w.weights, _ = at(booster, "weight_drop").([]any); w.weights != nil {
		booster = at(booster, "gbtree")
	} else {
		w.weights, _ = at(booster, "model", "weight_drop").([]any)
	}
	w.trees = at(booster, "model", "trees").([]any)
	return w
}

func (w walk) margin(row []float64) float32 {
	sum := float32(-math.Log(1/float64(w.base) - 1))
	for i, t := range w.trees {
		list := func(name string) []any { return t.(map[string]any)[name].([]any) }
		at := 0
		for list("left_children")[at].(float64) != -1 {
			x, next := row[int(list("split_indices")[at].(float64))], "right_children"
			if math.IsNaN(x) && list("default_left")[at].(float64) == 1 || w.less(x, float32(list("split_conditions")[at].(float64))) {
				next = "left_children"
			}
			at = int(list(next)[at].(float64))
		}
		value := float32(list("split_conditions")[at].(float64))
		if w.weights != nil {
			value *= float32(w.weights[i].(float64))
		}
		sum += value
	}
	return sum
}

func (w walk) probability(row []float64) float64 {
	return 1 / (1 + math.Exp(-float64(w.margin(row))))
}

// edges are thresholds, and values of features.
var edges = []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32, 1, 2, 3, 0.1, -7}

// randomModel makes a model of all that a model may have: nodes in any order, deleted ones, trees that are one leaf, weights.
func randomModel(r *rand.Rand, features int) []byte {
	var trees, info, weights []string
	for id := range 1 + r.IntN(6) {
		n := 2*r.IntN(12) + 1
		deleted := 2 * r.IntN(3)
		number := append([]int{0}, r.Perm(n+deleted-1)...) // of the node that is made i-th
		for i := range number[1:] {
			number[i+1]++
		}
		left, right, feature, condition, defaultLeft := make([]int, n+deleted), make([]int, n+deleted), make([]int, n+deleted), make([]float32, n+deleted), make([]int, n+deleted)
		for i := range left {
			left[i], right[i], feature[i], condition[i] = -1, -1, math.MaxInt32, r.Float32()*2-1
		}
		leaves := []int{0}
		for made := 1; made < n; made += 2 {
			i := r.IntN(len(leaves))
			at := leaves[i]
			left[at], right[at], feature[at], condition[at], defaultLeft[at] = number[made], number[made+1], r.IntN(features), edges[r.IntN(len(edges))], r.IntN(2)
			leaves = append(append(leaves[:i], leaves[i+1:]...), left[at], right[at])
		}
		list := func(v any) string { text, _ := json.Marshal(v); return string(text) }
		trees = append(trees, fmt.Sprintf(`{"id":%d,"tree_param":{"num_nodes":"%d","num_deleted":"%d","size_leaf_vector":"1"},"left_children":%s,"right_children":%s,`+
			`"split_indices":%s,"split_conditions":%s,"default_left":%s,"split_type":%s}`,
			id, n+deleted, deleted, list(left), list(right), list(feature), list(condition), list(defaultLeft), list(make([]int, n+deleted))))
		info, weights = append(info, "0"), append(weights, fmt.Sprint(r.Float32()))
	}
	drop := ""
	if r.IntN(2) == 0 {
		drop = `,"weight_drop":[` + strings.Join(weights, ",") + `]`
	}
	return fmt.Appendf(nil, `{"version":[3,4,1],"learner":{"feature_names":[],"learner_model_param":{"base_score":"[%v]","num_class":"0","num_feature":"%d"},`+
		`"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"%d"},"trees":[%s],"tree_info":[%s]%s}}}}`,
		0.01+0.98*r.Float32(), features, len(trees), strings.Join(trees, ","), strings.Join(info, ","), drop)
}

func TestPredict_equals_a_walk_through_the_JSON(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		features := 1 + r.IntN(4)
		text := randomModel(r, features)
		m, w := load(t, string(text)), walkOf(t, text)
		for range 40 {
			row := make([]float64, features)
			for i := range row {
				switch row[i] = float64(edges[r.IntN(len(edges))]); r.IntN(4) {
				case 0:
					row[i] = math.NaN()
				case 1:
					row[i] = r.NormFloat64() * 3
				}
			}
			margin, p, err := m.Predict(row)
			if err != nil || math.Abs(margin-float64(w.margin(row))) > 1e-5 || math.Abs(p-w.probability(row)) > 1e-6 {
				t.Fatalf("seed %d, %v: margin %v, probability %v, error %v; want %v, %v", seed, row, margin, p, err, w.margin(row), w.probability(row))
			}
		}
	}
}
