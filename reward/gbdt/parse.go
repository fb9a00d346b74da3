package gbdt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a model. The original reward model has 0.3 MB, 100 trees, 4,266 nodes and 4 features.
const (
	MaxBytes    = 8 << 20 // of JSON: a node takes about 65 bytes, so that this is what MaxNodes need; decoding takes a few times as much
	MaxTrees    = 4096    // every prediction walks all of them
	MaxNodes    = 1 << 17 // of all trees, thirty times the original's: about 12 MB while leaves reads them
	MaxFeatures = 1024    // every prediction copies a row of them
)

// What is wrong with a model; test for them with errors.Is.
var (
	ErrBroken      = errors.New("not an XGBoost model in JSON")
	ErrUnsupported = errors.New("not a kind of XGBoost model that is evaluated")
	ErrTooLarge    = errors.New("too large a model")
)

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBroken, fmt.Errorf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnsupported, fmt.Errorf(format, args...))
}

func tooLarge(most int, what string) error {
	return fmt.Errorf("%w: it has more than %d %s", ErrTooLarge, most, what)
}

// document is what is read of XGBoost's JSON: its doc/model.schema, and SaveModel in src/learner.cc, src/gbm and src/tree.
type document struct {
	Version []int
	Learner struct {
		FeatureNames []string `json:"feature_names"`
		Param        struct {
			BaseScore  string `json:"base_score"`
			NumClass   string `json:"num_class"`
			NumFeature string `json:"num_feature"`
			NumTarget  string `json:"num_target"`
		} `json:"learner_model_param"`
		Objective struct{ Name string }
		Booster   struct {
			Name       string
			Model      treesJSON
			GBTree     struct{ Model treesJSON }
			WeightDrop []float32 `json:"weight_drop"`
		} `json:"gradient_booster"`
	}
}

type treesJSON struct {
	Param struct {
		NumTrees string `json:"num_trees"`
	} `json:"gbtree_model_param"`
	Trees      treeList
	TreeInfo   []int     `json:"tree_info"`
	WeightDrop []float32 `json:"weight_drop"` // from 3.4 on a dart model is a gbtree that has this
}

// treeList is decoded tree by tree: a tree takes a hundred times the bytes of "{}", so that MaxTrees must hold before all are there.
type treeList []treeJSON

func (l *treeList) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("trees is not a list")
	}
	for *l = nil; d.More(); {
		if len(*l) == MaxTrees {
			return tooLarge(MaxTrees, "trees")
		}
		var t treeJSON
		if err := d.Decode(&t); err != nil {
			return fmt.Errorf("tree %d: %w", len(*l), err)
		}
		*l = append(*l, t)
	}
	return nil
}

// treeJSON holds a tree as parallel lists by node. A leaf has -1 for children and its value as condition.
type treeJSON struct {
	ID    *int
	Param struct {
		NumNodes       string `json:"num_nodes"`
		NumDeleted     string `json:"num_deleted"`
		SizeLeafVector string `json:"size_leaf_vector"`
	} `json:"tree_param"`
	Left        []int32   `json:"left_children"`
	Right       []int32   `json:"right_children"`
	Feature     []int64   `json:"split_indices"`
	Condition   []float32 `json:"split_conditions"`
	DefaultLeft []int8    `json:"default_left"`
	SplitType   []int8    `json:"split_type"`
}

// forest is a checked model.
type forest struct {
	version   string
	dart      bool
	objective string
	base      float32 // probability, inside (0,1)
	features  int
	names     []string // none, or one for each feature
	trees     []tree
	weights   []float32 // of a dart model: what each tree's value is multiplied by
}

// tree has its root first; the children of a node come after it.
type tree []node

type node struct {
	left, right int // 0 in a leaf
	feature     int
	defaultLeft bool    // where a missing value goes
	value       float32 // of a leaf, or the threshold: x < value goes left
}

// parse reads and checks a model. Numbers beyond float32 are refused by encoding/json, and JSON knows no infinity: all that is read is finite.
func parse(data []byte) (*forest, error) {
	if len(data) > MaxBytes {
		return nil, tooLarge(MaxBytes, "bytes")
	}
	var d document
	if err := json.Unmarshal(data, &d); errors.Is(err, ErrTooLarge) {
		return nil, err
	} else if err != nil {
		return nil, broken("%w; write it with XGBoost's save_model(\"model.json\")", err)
	}
	f := &forest{names: d.Learner.FeatureNames, objective: d.Learner.Objective.Name}
	if err := f.readVersion(d.Version); err != nil {
		return nil, err
	}
	if err := f.readLearner(&d); err != nil {
		return nil, err
	}
	trees := &d.Learner.Booster.Model
	switch name := d.Learner.Booster.Name; {
	case name == "dart":
		trees = &d.Learner.Booster.GBTree.Model
		trees.WeightDrop, f.dart = d.Learner.Booster.WeightDrop, true
	case name == "gbtree":
		f.dart = trees.WeightDrop != nil
	default:
		return nil, unsupported("the booster is %q, not gbtree or dart", name)
	}
	return f, f.readTrees(trees)
}

func (f *forest) readVersion(v []int) error {
	if len(v) != 3 {
		return broken("version is %v, not three numbers", v)
	}
	f.version = fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
	if v[0] < 1 || v[0] > 3 || v[0] == 1 && v[1] < 7 {
		return unsupported("XGBoost %s wrote it; the forms of 1.7 to 3 are known", f.version)
	}
	return nil
}

func (f *forest) readLearner(d *document) (err error) {
	param := d.Learner.Param
	if f.features, err = number("num_feature", param.NumFeature, 1); err != nil {
		return err
	}
	if f.features > MaxFeatures {
		return tooLarge(MaxFeatures, "features")
	}
	if n := len(f.names); n != 0 && n != f.features {
		return broken("it names %d features and has %d", n, f.features)
	}
	for i, name := range f.names {
		if name == "" || slices.Contains(f.names[:i], name) {
			return broken("feature %d is named %q: each needs a name of its own", i, name)
		}
	}
	for _, x := range []struct{ name, value string }{{"num_class", param.NumClass}, {"num_target", param.NumTarget}} {
		if x.value != "" && x.value != "0" && x.value != "1" { // 1.7 and later write 0 classes and 1 target
			return unsupported("%s is %q: only models with one output are", x.name, x.value)
		}
	}
	if f.objective != "binary:logistic" && f.objective != "reg:logistic" {
		return unsupported("the objective is %q: train it with binary:logistic", f.objective)
	}
	score := param.BaseScore
	if inner, ok := strings.CutPrefix(score, "["); ok && strings.HasSuffix(inner, "]") { // from 3.1 on a list
		score = strings.TrimSuffix(inner, "]")
	}
	base, err := strconv.ParseFloat(score, 32)
	if f.base = float32(base); err != nil || !(f.base > 0 && f.base < 1) {
		return broken("base_score is %q, not one probability between 0 and 1", param.BaseScore)
	}
	return nil
}

func (f *forest) readTrees(j *treesJSON) error {
	n, err := number("num_trees", j.Param.NumTrees, 1)
	if err != nil {
		return err
	}
	if len(j.Trees) != n || len(j.TreeInfo) != n {
		return broken("num_trees is %d, but there are %d trees and %d entries of tree_info", n, len(j.Trees), len(j.TreeInfo))
	}
	if f.weights = j.WeightDrop; f.dart && len(f.weights) != n {
		return broken("there are %d weights in weight_drop for %d trees", len(f.weights), n)
	}
	nodes := 0
	for i := range j.Trees {
		if id := j.Trees[i].ID; j.TreeInfo[i] != 0 || id != nil && *id != i {
			return broken("tree %d has another id, or is of an output other than the first", i)
		}
		t, err := j.Trees[i].read(f.features)
		if err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		if nodes += len(t); nodes > MaxNodes {
			return tooLarge(MaxNodes, "nodes")
		}
		f.trees = append(f.trees, t)
	}
	return nil
}

// read takes over what the root reaches, level by level. Every node is reached at most once, so that it is a tree; those that are not
// reached are as many as were deleted by pruning.
func (j *treeJSON) read(features int) (tree, error) {
	n, err := number("num_nodes", j.Param.NumNodes, 1)
	if err != nil {
		return nil, err
	}
	deleted := 0
	if j.Param.NumDeleted != "" {
		if deleted, err = number("num_deleted", j.Param.NumDeleted, 0); err != nil {
			return nil, err
		}
	}
	if s := j.Param.SizeLeafVector; s != "" && s != "0" && s != "1" {
		return nil, unsupported("size_leaf_vector is %q: only leaves with one value are", s)
	}
	for _, have := range []int{len(j.Left), len(j.Right), len(j.Feature), len(j.Condition), len(j.DefaultLeft), len(j.SplitType)} {
		if have != n {
			return nil, broken("num_nodes is %d, but one of its lists has %d entries", n, have)
		}
	}
	t, order, reached := tree{}, []int32{0}, make([]bool, n)
	for i := 0; i < len(order); i++ {
		at := order[i]
		x := node{value: j.Condition[at], defaultLeft: j.DefaultLeft[at] != 0}
		children := []int32{j.Left[at], j.Right[at]}
		if children[0] == -1 && children[1] == -1 {
			t = append(t, x)
			continue
		}
		for _, c := range children {
			if c <= 0 || int(c) >= n || reached[c] {
				return nil, broken("node %d has the child %d, which is none, the root, or another node's child too", at, c)
			}
			reached[c] = true
		}
		if s := j.Feature[at]; s < 0 || s >= int64(features) {
			return nil, broken("node %d splits by feature %d, and there are %d", at, s, features)
		}
		if j.SplitType[at] != 0 {
			return nil, unsupported("node %d splits by category: train it with numbers", at)
		}
		x.feature, x.left, x.right = int(j.Feature[at]), len(order), len(order)+1
		t, order = append(t, x), append(order, children...)
	}
	if n-len(t) != deleted {
		return nil, broken("the root reaches %d of %d nodes, and num_deleted is %d", len(t), n, deleted)
	}
	return t, nil
}

// number reads a whole number as XGBoost writes them, in quotes.
func number(name, text string, least int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > math.MaxInt32 {
		return 0, broken("%s is %q, not a whole number of %d or more", name, text, least)
	}
	return n, nil
}
