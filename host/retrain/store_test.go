package retrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair is one that audits could have labelled.
func pair(i int, same bool) Pair {
	return Pair{
		Time: time.Unix(int64(i), 0).UTC(), Kind: compare.Image, Request: fmt.Sprint("request-", i), Prompt: fmt.Sprint("a red circle ", i),
		Same: same, Source: "audit", What: "half-steps", Features: map[string]float64{"phash": float64(i % 64), "mae": 0.5},
	}
}

// stored are the pairs of a store, and what it warns of.
func stored(t *testing.T, s *Store) (pairs []Pair, warnings string) {
	t.Helper()
	pairs, errs, err := s.Pairs()
	if err != nil {
		t.Fatal(err)
	}
	return pairs, fmt.Sprint(errs)
}

func TestStore_keeps_pairs(t *testing.T) {
	s := newStore(t)
	if pairs, warnings := stored(t, s); len(pairs) > 0 || warnings != "[]" {
		t.Errorf("%v %s", pairs, warnings)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := s.Append(pair(i, true), pair(i, false)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	again, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	pairs, warnings := stored(t, again)
	if len(pairs) != 40 || warnings != "[]" {
		t.Fatalf("%d pairs, %s", len(pairs), warnings)
	}
	for i, p := range pairs {
		if want := pair(int(p.Time.Unix()), i%2 == 0); fmt.Sprint(p) != fmt.Sprint(want) {
			t.Errorf("%+v, want %+v", p, want)
		}
	}
}

func TestStore_survives_a_line_that_a_crash_has_cut_off(t *testing.T) {
	s := newStore(t)
	if err := s.Append(pair(1, true), pair(2, true)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.pairs())
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(text) - 1; cut > len(text)/2+1; cut -= 13 {
		if err := os.WriteFile(s.pairs(), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		pairs, warnings := stored(t, s)
		if whole := cut == len(text)-1; whole && (len(pairs) != 2 || warnings != "[]") || !whole && (len(pairs) != 1 || !strings.Contains(warnings, "line 2, the last, is cut off")) {
			t.Fatalf("cut at %d: %d pairs, %s", cut, len(pairs), warnings)
		}
		if err := s.Append(pair(3, false)); err != nil {
			t.Fatal(err)
		}
		if pairs, _ = stored(t, s); len(pairs) < 2 || fmt.Sprint(pairs[len(pairs)-1]) != fmt.Sprint(pair(3, false)) {
			t.Fatalf("cut at %d: %v", cut, pairs)
		}
	}
	if _, warnings := stored(t, s); !strings.Contains(warnings, "line 2 is left out: not a labelled pair") {
		t.Error(warnings)
	}
	if err := os.WriteFile(s.pairs(), bytes.Repeat([]byte("x\n"), 50), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, warnings := stored(t, s); strings.Count(warnings, "line ") != maxWarnings || !strings.Contains(warnings, "30 more lines are left out") {
		t.Error(warnings)
	}
}

func TestStore_is_bounded(t *testing.T) {
	s := newStore(t)
	f, err := os.Create(s.pairs())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(MaxPairs - 100); err != nil { // sparse
		t.Fatal(err)
	}
	if err := s.Append(pair(1, true)); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("%v", err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != MaxPairs-100 {
		t.Errorf("%v, %v", info, err)
	}
	if err := f.Truncate(MaxPairs + 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Pairs(); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
}

func TestStore_refuses_what_nothing_can_be_learned_from(t *testing.T) {
	s := newStore(t)
	for says, change := range map[string]func(*Pair){
		`kind is "embedding"`:           func(p *Pair) { p.Kind = compare.Embedding },
		"names no request":              func(p *Pair) { p.Request, p.Prompt = "", "" },
		"has no features":               func(p *Pair) { p.Features = nil },
		`no feature "khash"`:            func(p *Pair) { p.Features = map[string]float64{"khash": 1} },
		"its mae is 1e+300":             func(p *Pair) { p.Features = map[string]float64{"mae": 1e300} },
		"unsupported value: NaN":        func(p *Pair) { p.Features = map[string]float64{"mae": math.NaN()} },
		"at most 16384 are allowed":     func(p *Pair) { p.Prompt = strings.Repeat("x", maxLine) },
		"it has 16385 bytes, at most 1": func(p *Pair) { line, _ := json.Marshal(p); p.What += strings.Repeat("x", maxLine+1-len(line)) },
	} {
		p := pair(1, true)
		change(&p)
		if err := s.Append(pair(2, true), p); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if pairs, _ := stored(t, s); len(pairs) > 0 {
		t.Errorf("%v", pairs)
	}
	if _, err := decodePair([]byte(`{"kind":"image","request":"1","features":{"mae":1}}`)); !errors.Is(err, ErrPair) || !strings.Contains(err.Error(), `neither "same"`) {
		t.Errorf("a pair without a label: %v", err)
	}
}

func FuzzDecodePair(f *testing.F) {
	line, err := json.Marshal(pair(1, true))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(line[:len(line)/2])
	f.Add([]byte(`{"kind":"strict","prompt":"x","same":false,"features":{"mae":null}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := decodePair(line)
		if err != nil {
			if !errors.Is(err, ErrPair) {
				t.Fatal(err)
			}
			return
		}
		r := audited([]Pair{p}, p.Kind, 7)
		if len(r) != 1 || r[0].Request != 7 || len(r[0].Features) != len(compare.Names()) || (r[0].Label == rows.Honest) != p.Same {
			t.Fatalf("%+v", r)
		}
	})
}

// stump is a model with one split on a feature: of less than at, the margin is 2, else -2.
func stump(feature int, at float64) []byte {
	names, err := json.Marshal(compare.Names())
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, `{"version":[2,0,3],"learner":{"feature_names":%s,"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"%d"},
"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"1"},"tree_info":[0],"trees":[
{"id":0,"tree_param":{"num_nodes":"3","size_leaf_vector":"1"},"left_children":[1,-1,-1],"right_children":[2,-1,-1],
"split_indices":[%d,0,0],"split_conditions":[%g,2,-2],"default_left":[1,0,0],"split_type":[0,0,0]}]}}}}`, names, len(compare.Names()), feature, at)
}

// save puts a stump in a store.
func save(t *testing.T, s *Store, kind compare.Kind) string {
	t.Helper()
	name, err := s.save(stump(0, 8), compare.Card{Kind: kind, Tau: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// inUse is the name of the model in use.
func inUse(t *testing.T, s *Store, kind compare.Kind) string {
	t.Helper()
	m, name, err := s.Current(kind)
	if err != nil || m.Card().Kind != kind {
		t.Fatal(m, err)
	}
	return name
}

func TestStore_goes_back_and_forth_between_models_by_name(t *testing.T) {
	s := newStore(t)
	if inUse(t, s, compare.Image) != ShippedName {
		t.Error("without a choice the shipped model is in use")
	}
	first, second, strict := save(t, s, compare.Image), save(t, s, compare.Image), save(t, s, compare.Strict)
	if first != "image-1" || second != "image-2" || strict != "strict-1" {
		t.Errorf("%s, %s, %s", first, second, strict)
	}
	for _, name := range []string{first, second, ShippedName, first} {
		if err := s.Use(compare.Image, name); err != nil {
			t.Fatal(err)
		}
		if inUse(t, s, compare.Image) != name || inUse(t, s, compare.Strict) != ShippedName {
			t.Errorf("%s is not in use", name)
		}
	}
	for _, name := range []string{"image-3", "strict-1", "image-0", "../models/image-1", ""} {
		if err := s.Use(compare.Image, name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	models, err := s.Models()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range models {
		list = append(list, fmt.Sprint(m.Card.Kind, " ", m.Name, " ", m.InUse))
	}
	if got := strings.Join(list, ", "); got != "image shipped false, image image-1 true, image image-2 false, strict shipped true, strict strict-1 false" {
		t.Error(got)
	}
}

func TestStore_says_what_is_wrong_with_its_files(t *testing.T) {
	s := newStore(t)
	name := save(t, s, compare.Image)
	if err := s.Use(compare.Image, name); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.dir, "models", name)
	for _, x := range []struct{ file, text, says string }{
		{"models/image-1/card.json", "{", "the model's card is wrong"},
		{"models/image-1/card.json", `{"tau":2}`, "tau is 2"},
		{"models/image-1/xgboost.json", "{}", "not an XGBoost model"},
		{"models/image-1/xgboost.json", "", "no such reward model"}, // removed
		{"current.json", "[", "without the file the shipped models are in use"},
		{"current.json", `{"image":"image-7"}`, "no such reward model"},
		{"current.json", `{"image":"../../x"}`, "no such reward model"},
		{"current.json", strings.Repeat(" ", maxCurrent+1), "more than 4096 bytes"},
	} {
		path := filepath.Join(s.dir, x.file)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err = os.WriteFile(path, []byte(x.text), 0o644); x.text == "" {
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Current(compare.Image)
		if err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", x.text, err)
		}
		if strings.HasPrefix(x.file, "models") && !strings.Contains(err.Error(), "`vision reward use shipped --kind image`") {
			t.Errorf("%s: %v", x.text, err)
		}
		if err := os.WriteFile(path, before, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(compare.Image, ShippedName); err != nil {
		t.Error(err)
	}
}

func TestStore_forgets_what_a_crash_has_left_half_made(t *testing.T) {
	s := newStore(t)
	old, young := filepath.Join(s.dir, "models", ".new-1"), filepath.Join(s.dir, "models", ".new-2")
	for _, dir := range []string{old, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "current.json.1.new"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if name := save(t, s, compare.Image); name != "image-1" || inUse(t, s, compare.Image) != ShippedName {
		t.Error(name)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

func FuzzCurrent(f *testing.F) {
	f.Add([]byte(`{"image":"image-1"}`))
	f.Add([]byte(`{"image":1}`))
	f.Add([]byte(`null`))
	s := newStore(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(s.dir, "current.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, name, err := s.Current(compare.Image)
		if (err == nil) != (name == ShippedName && m != nil) {
			t.Fatalf("%q, %v", name, err)
		}
		if err := s.Use(compare.Image, ShippedName); err != nil && m != nil {
			t.Fatal(err)
		}
	})
}

func TestBase_holds_all_that_has_a_bar(t *testing.T) {
	total := 0
	for _, kind := range Kinds {
		all, err := Base(kind)
		if err != nil {
			t.Fatal(err)
		}
		data, err := bases.ReadFile("base/" + string(kind) + ".rows.gz")
		if err != nil {
			t.Fatal(err)
		}
		total += len(data)
		found := map[string]bool{}
		for _, r := range all {
			found[fmt.Sprint(r.Kind, r.HeldOut)] = true
			if r.Label == rows.Honest {
				found[fmt.Sprint("honest", r.HeldOut)] = true
			}
		}
		for _, name := range []string{"honest", "other-seed", "other-checkpoint", "other-prompt", "half-steps", "bicubic", "lanczos", "other-input", "low-res"} {
			if _, barred := rows.Bar(kind, name); barred && !(found[name+"true"] && found[name+"false"]) {
				t.Errorf("%s: there is no %s on both sides", kind, name)
			}
		}
	}
	if total > 1<<20 {
		t.Errorf("the base sets have %d bytes, more than a megabyte", total)
	}
	if _, err := Base(compare.Embedding); err == nil {
		t.Error("there is no base set of embeddings")
	}
}
