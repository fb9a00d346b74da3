package gbdt

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// small is a model of one tree: left below 8.
const small = `{"version":[2,0,3],"learner":{"feature_names":["phash","mae"],"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"1"},"tree_info":[0],"trees":[
{"id":0,"tree_param":{"num_nodes":"5","num_deleted":"0","size_leaf_vector":"1"},"left_children":[1,-1,3,-1,-1],"right_children":[2,-1,4,-1,-1],
"split_indices":[0,0,1,0,0],"split_conditions":[8,2,0.5,1,-2],"default_left":[1,0,0,0,0],"split_type":[0,0,0,0,0]}]}}}}`

func TestLoad_refuses_what_it_cannot_evaluate(t *testing.T) {
	for _, x := range []struct {
		name, old, new string // "" for old: all of it
		kind           error
		says           string
	}{
		{"nothing", "", "", ErrBroken, `save_model("model.json")`},
		{"the legacy binary", "", "binf\x00\x00\x00\x3f", ErrBroken, "save_model"},
		{"UBJSON", "", "{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", ErrBroken, "save_model"},
		{"other JSON", "", `{"a":1}`, ErrBroken, "version"},
		{"two documents", "", small + small, ErrBroken, "after top-level value"},
		{"half of it", "", small[:len(small)/2], ErrBroken, "unexpected end"},
		{"an old version", "[2,0,3]", "[1,6,2]", ErrUnsupported, "1.6.2"},
		{"a version to come", "[2,0,3]", "[4,0,0]", ErrUnsupported, "4.0.0"},
		{"no feature", `"num_feature":"2"`, `"num_feature":"0"`, ErrBroken, "num_feature"},
		{"a count that is none", `"num_feature":"2"`, `"num_feature":"two"`, ErrBroken, `num_feature is "two"`},
		{"too many features", `"num_feature":"2"`, `"num_feature":"1025"`, ErrTooLarge, "1024 features"},
		{"a missing name", `"phash","mae"`, `"phash"`, ErrBroken, "names 1 features and has 2"},
		{"a name twice", `"phash","mae"`, `"mae","mae"`, ErrBroken, `feature 1 is named "mae"`},
		{"classes", `"num_class":"0"`, `"num_class":"3"`, ErrUnsupported, "num_class"},
		{"targets", `"num_target":"1"`, `"num_target":"2"`, ErrUnsupported, "num_target"},
		{"a margin", `binary:logistic`, `binary:logitraw`, ErrUnsupported, "binary:logistic"},
		{"a regression", `binary:logistic`, `reg:squarederror`, ErrUnsupported, "binary:logistic"},
		{"a linear booster", `"name":"gbtree"`, `"name":"gblinear"`, ErrUnsupported, "gblinear"},
		{"a dart without weights", `"name":"gbtree","model"`, `"name":"dart","gbtree":{"model":{}},"model"`, ErrBroken, "num_trees"},
		{"too few weights", `"tree_info":[0]`, `"tree_info":[0],"weight_drop":[]`, ErrBroken, "0 weights"},
		{"a base score of 1", `5E-1`, `1`, ErrBroken, "base_score"},
		{"a base score of 0", `5E-1`, `1E-60`, ErrBroken, "base_score"},
		{"a base score that is none", `5E-1`, `NaN`, ErrBroken, "base_score"},
		{"two base scores", `5E-1`, `[5E-1,5E-1]`, ErrBroken, "base_score"},
		{"half a list of them", `5E-1`, `[5E-1`, ErrBroken, "base_score"},
		{"no tree", `"num_trees":"1"`, `"num_trees":"0"`, ErrBroken, "num_trees"},
		{"a tree too few", `"num_trees":"1"`, `"num_trees":"2"`, ErrBroken, "there are 1 trees"},
		{"trees that are none", `"trees":[`, `"trees":null,"x":[`, ErrBroken, "not a list"},
		{"a second output", `"tree_info":[0]`, `"tree_info":[1]`, ErrBroken, "tree 0"},
		{"another order", `"id":0`, `"id":1`, ErrBroken, "tree 0"},
		{"a short list", `"default_left":[1,0,0,0,0]`, `"default_left":[1,0,0,0]`, ErrBroken, "4 entries"},
		{"no split types", `"split_type"`, `"x"`, ErrBroken, "0 entries"},
		{"vector leaves", `"size_leaf_vector":"1"`, `"size_leaf_vector":"2"`, ErrUnsupported, "size_leaf_vector"},
		{"a child beyond the end", `[1,-1,3,-1,-1]`, `[5,-1,3,-1,-1]`, ErrBroken, "child 5"},
		{"a child that is none", `[1,-1,3,-1,-1]`, `[-2,-1,3,-1,-1]`, ErrBroken, "child -2"},
		{"one child", `[2,-1,4,-1,-1]`, `[-1,-1,4,-1,-1]`, ErrBroken, "child -1"},
		{"a ring", `[2,-1,4,-1,-1]`, `[2,-1,0,-1,-1]`, ErrBroken, "child 0"},
		{"itself", `[2,-1,4,-1,-1]`, `[2,-1,2,-1,-1]`, ErrBroken, "child 2"},
		{"a child of two", `[2,-1,4,-1,-1]`, `[2,-1,1,-1,-1]`, ErrBroken, "child 1"},
		{"the same child twice", `[2,-1,4,-1,-1]`, `[1,-1,4,-1,-1]`, ErrBroken, "child 1"},
		{"a node out of reach", `[1,-1,3,-1,-1],"right_children":[2,-1,4,-1,-1]`, `[1,-1,-1,-1,-1],"right_children":[2,-1,-1,-1,-1]`, ErrBroken, "3 of 5 nodes"},
		{"a feature too many", `"split_indices":[0,0,1,`, `"split_indices":[0,0,2,`, ErrBroken, "feature 2"},
		{"a feature below", `"split_indices":[0,0,1,`, `"split_indices":[0,0,-1,`, ErrBroken, "feature -1"},
		{"a threshold beyond float32", `[8,2,0.5`, `[8,2,1E39`, ErrBroken, "1E39"},
		{"an infinite threshold", `[8,2,0.5`, `[8,2,Infinity`, ErrBroken, "invalid character"},
		{"a category", `"split_type":[0,0,0`, `"split_type":[0,0,1`, ErrUnsupported, "category"},
	} {
		t.Run(x.name, func(t *testing.T) {
			text := x.new
			if x.old != "" {
				if !strings.Contains(small, x.old) {
					t.Fatalf("no %q in the model", x.old)
				}
				text = strings.Replace(small, x.old, x.new, 1)
			}
			if m, err := Load([]byte(text)); m != nil || !errors.Is(err, x.kind) || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLoad_takes_what_versions_leave_out(t *testing.T) {
	text := strings.NewReplacer(`"num_deleted":"0",`, "", `,"num_target":"1"`, "", `"id":0,`, "", `"phash","mae"`, "").Replace(small)
	m := load(t, text)
	expect(t, m, []float64{7, 0}, 2, 1/(1+math.Exp(-2)))
	if n := m.FeatureNames(); len(n) != 0 {
		t.Errorf("names: %q", n)
	}
}

func TestLoad_holds_its_bounds(t *testing.T) {
	for _, x := range []struct{ name, text, says string }{
		{"bytes", small + strings.Repeat(" ", MaxBytes), "8388608 bytes"},
		{"nodes", large(MaxNodes + 1), "131072 nodes"},
	} {
		if _, err := Load([]byte(x.text)); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestLoad_stops_at_the_first_tree_too_many: a tree takes a hundred times the bytes of "{}", so the list must not be read to its end.
func TestLoad_stops_at_the_first_tree_too_many(t *testing.T) {
	text := []byte(strings.Replace(small, `"trees":[`, `"trees":[`+strings.Repeat("{},", 1<<18)+`{}],"x":[`, 1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Load(text)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "4096 trees") {
		t.Error(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

// large is a model of one tree with n nodes, an odd number: a node's children are 2i+1 and 2i+2.
func large(n int) string {
	var left, right []byte
	for i := range n {
		l, r := 2*i+1, 2*i+2
		if r >= n {
			l, r = -1, -1
		}
		left, right = append(strconv.AppendInt(left, int64(l), 10), ','), append(strconv.AppendInt(right, int64(r), 10), ',')
	}
	zeros := "[" + strings.Repeat("0,", n-1) + "0]"
	return strings.NewReplacer(`"num_nodes":"5"`, fmt.Sprintf(`"num_nodes":"%d"`, n), "1,-1,3,-1,-1", string(left[:len(left)-1]),
		"2,-1,4,-1,-1", string(right[:len(right)-1]), "[0,0,1,0,0]", zeros, "[8,2,0.5,1,-2]", zeros, "[1,0,0,0,0]", zeros, "[0,0,0,0,0]", zeros).Replace(small)
}

func TestLarge_makes_models_that_load(t *testing.T) {
	if c := load(t, large(1023)).Card(); c.Leaves != 512 || c.Depth != 9 {
		t.Errorf("%+v", c)
	}
}

func TestPredict_refuses_a_wrong_row(t *testing.T) {
	m := load(t, small)
	for _, x := range []struct {
		row  []float64
		says string
	}{
		{nil, "it has 0, the model takes 2: phash, mae"},
		{[]float64{1}, "it has 1, the model takes 2: phash, mae"},
		{[]float64{1, 2, 3}, "it has 3"},
		{[]float64{1, math.Inf(1)}, "number 2 is +Inf"},
		{[]float64{math.Inf(-1), 1}, "number 1 is -Inf"},
		{[]float64{1, 1e39}, "number 2 is 1e+39"},
	} {
		if margin, p, err := m.Predict(x.row); !errors.Is(err, ErrRow) || !strings.Contains(err.Error(), x.says) || margin != 0 || p != 0 {
			t.Errorf("%v: %v, %v, %v", x.row, margin, p, err)
		}
	}
}

func TestPredict_leaves_the_row_as_it_is(t *testing.T) {
	row := []float64{0.1, 0.2}
	if _, _, err := load(t, small).Predict(row); err != nil || row[0] != 0.1 || row[1] != 0.2 {
		t.Errorf("%v, %v", row, err)
	}
}

// TestInspect_sees_every_changed_count changes each byte that inspect answers for, and lengthens and shortens the whole.
func TestInspect_sees_every_changed_count(t *testing.T) {
	g, _ := readGolden(t)
	f, err := parse([]byte(g.Models[3].Forms["1.7"])) // dart has all parts
	if err != nil {
		t.Fatal(err)
	}
	good := f.transcode()
	if err := f.inspect(good); err != nil {
		t.Fatal(err)
	}
	counts := learnerSize + 8 + len(objective) + 8 + len("dart")
	info := f.size() - 4*len(f.weights) - 8 - 4*len(f.trees)
	var at []int
	for _, part := range [][2]int{{0, 8}, {learnerSize, counts + 12}, {counts + groupsAt, counts + groupsAt + 8}, {counts + gbtreeSize, counts + gbtreeSize + 8},
		{info, info + 4*len(f.trees) + 8}} {
		for i := part[0]; i < part[1]; i++ {
			at = append(at, i)
		}
	}
	for _, i := range at {
		b := bytes.Clone(good)
		b[i] ^= 0x40
		if f.inspect(b) == nil {
			t.Errorf("byte %d may be changed", i)
		}
	}
	if f.inspect(good[:len(good)-1]) == nil || f.inspect(append(bytes.Clone(good), 0)) == nil || f.inspect(append([]byte("binf"), good...)) == nil || f.inspect(nil) == nil {
		t.Error("another length passes")
	}
}

func FuzzLoad(f *testing.F) {
	for seed := range uint64(4) { // small ones: the fuzzer shortens what it finds byte by byte
		f.Add(randomModel(rand.New(rand.NewPCG(seed, 0)), 2))
	}
	f.Add([]byte(small))
	f.Add([]byte(small[:len(small)-9]))
	f.Add([]byte("binf\x00\x00\x00\x3f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Load(data)
		if err != nil {
			if !errors.Is(err, ErrBroken) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		row := make([]float64, m.NumFeatures())
		for range 2 {
			margin, p, err := m.Predict(row)
			if err != nil || math.IsNaN(margin) || math.IsInf(margin, 0) || !(p >= 0 && p <= 1) {
				t.Fatalf("margin %v, probability %v, error %v", margin, p, err)
			}
			for i := range row {
				row[i] = math.NaN()
			}
		}
		if c := m.Card(); c.Trees == 0 || c.Leaves < c.Trees {
			t.Fatalf("%+v", c)
		}
	})
}
