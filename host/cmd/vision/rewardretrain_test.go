package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/host/retrain"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// differences are an answer's in every feature, from near to far.
func differences(rng *rand.Rand, near, far float64) (out []float64) {
	for range compare.Names() {
		out = append(out, near+(far-near)*rng.Float64())
	}
	out[len(out)-1] /= 20 // a cosine's distance from 1
	return out
}

// rewardStore makes a store with audits of a cheat that only its sharpness gives away, and a base set of 60 requests beside it. In use is image-1: a model
// that looks at nothing but phash.
func rewardStore(t *testing.T, u *user) {
	t.Helper()
	for _, dir := range []string{"base", "other", "store/models/image-1"} {
		if err := os.MkdirAll(filepath.Join(u.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(5, 5))
	var all []rows.Row
	for i := range 60 {
		held := rows.HeldOut(fmt.Sprint("base ", i))
		for range 3 {
			all = append(all, rows.Row{Request: i, HeldOut: held, Kind: "fp16", Label: rows.Honest, Features: differences(rng, 0, 1)})
		}
		for _, kind := range []string{"half-steps", "other-checkpoint", "other-seed", "other-prompt", "low-res", "cached"} {
			all = append(all, rows.Row{Request: i, HeldOut: held, Kind: kind, Label: rows.Cheat, Features: differences(rng, 3, 10)})
		}
	}
	var packed bytes.Buffer
	if err := rows.Encode(&packed, all); err != nil {
		t.Fatal(err)
	}
	for _, kind := range retrain.Kinds {
		u.write(t, "base/"+string(kind)+".rows.gz", packed.String())
	}
	s, err := retrain.Open(filepath.Join(u.dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		p := retrain.Pair{Kind: compare.Image, Request: fmt.Sprint("request-", i), Prompt: fmt.Sprint("a red circle ", i), Source: "audit", Features: map[string]float64{}}
		for k, x := range differences(rng, 0, 1) {
			p.Features[compare.Names()[k]] = x
		}
		p.Features["sharpness"] += 3
		if err := s.Append(p); err != nil {
			t.Fatal(err)
		}
	}
	u.write(t, "store/models/image-1/xgboost.json", stump)
	u.write(t, "store/models/image-1/card.json", `{"name":"image-1","kind":"image","tau":0.5}`)
	u.write(t, "store/current.json", `{"image":"image-1"}`)
}

func TestReward_retrain_says_that_a_better_model_has_replaced(t *testing.T) {
	if out, err := exec.Command(retrain.DefaultPython, "-c", "import numpy, xgboost").CombinedOutput(); err != nil {
		t.Skipf("XGBoost is not installed (Debian: python3-xgboost python3-numpy): %v\n%s", err, out)
	}
	u := newUser(t, "")
	rewardStore(t, u)
	args := strings.Fields("reward retrain --store store --base base --seeds 2")
	r := u.works(t, append(args, "--dry-run", "--kind", "image")...)
	for _, says := range []string{"image: replaced (dry run: nothing is changed); image-1 is in use\n", "audited different", "all that count", "AUC", "STRATEGY", "honest-slow"} {
		if !strings.Contains(r.stdout, says) {
			t.Errorf("%q is missing:\n%s", says, r.stdout)
		}
	}
	if _, err := os.Stat(filepath.Join(u.dir, "store", "models", "image-2")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run changes nothing: %v", err)
	}
	r = u.works(t, append(args, "--json")...)
	models, _ := object(t, r.stdout)["models"].([]any)
	if len(models) != 2 || !strings.Contains(r.stderr, "image: training on ") {
		t.Fatalf("%s%s", r.stdout, r.stderr)
	}
	image, strict := models[0].(map[string]any), models[1].(map[string]any)
	if image["outcome"] != "replaced" || image["candidate"].(map[string]any)["name"] != "image-2" || strict["outcome"] != "kept" || strict["candidate"] != nil {
		t.Errorf("%s", r.stdout)
	}
	if got := keys(t, image); got != "arena candidate current dry_run held_out kind kinds learned outcome reasons warnings weights" {
		t.Error(got)
	}
	if r = u.works(t, "reward", "models", "--store", "store"); !strings.Contains(r.stdout, "took the place of image-1") || strings.Count(r.stdout, "  yes ") != 2 {
		t.Errorf("%s", r.stdout)
	}
}

func TestReward_use_goes_back_to_the_model_before(t *testing.T) {
	u := newUser(t, "")
	rewardStore(t, u)
	a, b := rendered(t, "00003-reference.png"), rendered(t, "00003-other-prompt.png")
	probability := func(args ...string) float64 {
		o := object(t, u.works(t, append([]string{"reward", "compare", a, b, "--json"}, args...)...).stdout)
		p, ok := o["p_same"].(float64)
		if !ok {
			t.Fatal(o)
		}
		return p
	}
	shipped, stored := probability(), probability("--store", "store")
	if math.Abs(stored-1/(1+math.E)) > 1e-6 || shipped == stored { // phash differs by more than 8: the margin is -1
		t.Errorf("%g, %g", shipped, stored)
	}
	if r := u.works(t, "reward", "use", "shipped", "--store", "store"); r.stdout != "image: shipped is in use\nstrict: shipped is in use\n" {
		t.Errorf("%s", r.stdout)
	}
	if p := probability("--store", "store"); p != shipped {
		t.Errorf("%g, want %g", p, shipped)
	}
	if r := u.works(t, "reward", "use", "image-1", "--store", "store"); r.stdout != "image: image-1 is in use\n" {
		t.Errorf("%s", r.stdout)
	}
	models, _ := object(t, u.works(t, "reward", "models", "--store", "store", "--json").stdout)["models"].([]any)
	if len(models) != 3 {
		t.Fatalf("%v", models)
	}
	if m := models[1].(map[string]any); keys(t, m) != "card in_use name" || m["name"] != "image-1" || m["in_use"] != true {
		t.Errorf("%v", m)
	}
}

func TestReward_stores_say_what_is_wrong(t *testing.T) {
	u := newUser(t, "")
	rewardStore(t, u)
	u.write(t, "other/image.rows.gz", "text")
	for _, x := range []struct {
		args, says string
		code       int
	}{
		{"models", "--store DIR is missing", 2},
		{"models --store missing", "missing: no such file", 2},
		{"models --store store/pairs.jsonl", "is not a folder", 2},
		{"use --store store", "NAME --store DIR", 2},
		{"use best --store store", "no such reward model", 2},
		{"use image-9 --store store", "no such reward model", 2},
		{"use image-1 --store store --kind strict", "image-1 of the kind strict", 2},
		{"use image-1 --store store --kind photo", "--kind is image or strict", 2},
		{"retrain", "--store DIR is missing", 2},
		{"retrain --store store --kind photo", "--kind is image or strict", 2},
		{"retrain --store store --seeds 1", "--seeds is 1", 2},
		{"retrain --store store --base missing", "--base: open missing/image.rows.gz", 2},
		{"retrain --store store --base other", "other/image.rows.gz: not a sample of rows", 2},
		{"retrain --store store --python /bin/false", "apt-get install python3-xgboost python3-numpy", 1},
	} {
		r := u.vision(t, append([]string{"reward"}, strings.Fields(x.args)...)...)
		if r.code != x.code || r.stdout != "" || !strings.Contains(r.stderr, x.says) {
			t.Errorf("%s: exit code %d\n%s%s", x.args, r.code, r.stdout, r.stderr)
		}
	}
	both := u.vision(t, "reward", "compare", "a.png", "b.png", "--store", "store", "--model", "m.json")
	if both.code != 2 || !strings.Contains(both.stderr, "both name a model") {
		t.Errorf("%s", both.stderr)
	}
	if text, err := os.ReadFile(filepath.Join(u.dir, "store", "current.json")); err != nil || string(text) != `{"image":"image-1"}` {
		t.Errorf("%s, %v", text, err)
	}
}
