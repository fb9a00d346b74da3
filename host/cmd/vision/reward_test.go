package main_test

import (
	"math"
	"strings"
	"testing"
)

// stump is a model with one split: phash below 8 gives the margin 2, and 8 or more or a missing one -1.
const stump = `{"version":[3,1,0],"learner":{"feature_names":["phash","dhash"],"learner_model_param":{"base_score":"[5E-1]","num_class":"0","num_feature":"2"},
"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"1"},"tree_info":[0],"trees":[
{"id":0,"tree_param":{"num_nodes":"3","size_leaf_vector":"1"},"left_children":[1,-1,-1],"right_children":[2,-1,-1],
"split_indices":[0,0,0],"split_conditions":[8,2,-1],"default_left":[0,0,0],"split_type":[0,0,0]}]}}}}`

func TestReward_predict_prints_margin_and_probability(t *testing.T) {
	u := newUser(t, "")
	u.write(t, "model.json", stump)
	for features, margin := range map[string]float64{"7,0": 2, "8, 0": -1, "7.5,nan": 2, "NaN,3": -1, "-1,0": 2} {
		o := object(t, u.works(t, "reward", "predict", "--model", "model.json", "--features", features, "--json").stdout)
		p, ok := o["probability"].(float64)
		if keys(t, o) != "margin probability" || o["margin"] != margin || !ok || math.Abs(p-1/(1+math.Exp(-margin))) > 1e-12 {
			t.Errorf("%s: %v", features, o)
		}
	}
	if r := u.works(t, "reward", "predict", "--model", "model.json", "--features", "7,0"); r.stdout != "margin       2.000000\nprobability  0.880797\n" || r.stderr != "" {
		t.Errorf("%q, %q", r.stdout, r.stderr)
	}
	if r := u.works(t, "reward"); !strings.Contains(r.stdout, "predict") {
		t.Errorf("%s", r.stdout)
	}
}

func TestReward_predict_says_what_is_wrong(t *testing.T) {
	u := newUser(t, "")
	u.write(t, "model.json", stump)
	u.write(t, "broken.json", stump[:200])
	for _, x := range []struct{ args, says string }{
		{"--features 7,0", "--model: name the file of a model"},
		{"--model none.json --features 7,0", "none.json: no such file"},
		{"--model broken.json --features 7,0", "broken.json: not an XGBoost model in JSON"},
		{"--model model.json", `number 1 is ""`},
		{"--model model.json --features 7", "it has 1, the model takes 2: phash, dhash"},
		{"--model model.json --features 7,x", `number 2 is "x", not a number or nan`},
		{"--model model.json --features 7,inf", "number 2 is +Inf"},
		{"--model model.json --features 7,0 more", "predict"},
	} {
		r := u.vision(t, append([]string{"reward", "predict"}, strings.Fields(x.args)...)...)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, x.says) {
			t.Errorf("%s: exit code %d\n%s%s", x.args, r.code, r.stdout, r.stderr)
		}
	}
	if r := u.vision(t, "reward", "judge"); r.code != 2 || !strings.Contains(r.stderr, `unknown command "judge"`) {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}
