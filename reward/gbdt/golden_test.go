package gbdt

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// golden is what testdata/make_golden.py wrote.
type golden struct {
	Rows   [][]*float64 // null is a missing value
	Models []struct {
		Name                string
		Forms               map[string]string // JSON by the version that writes it so
		Margin, Probability []float64         // by row
	}
}

func readGolden(t testing.TB) (g golden, rows [][]float64) {
	t.Helper()
	file, err := os.Open("testdata/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	for _, r := range g.Rows {
		row := make([]float64, len(r))
		for i, x := range r {
			if row[i] = math.NaN(); x != nil {
				row[i] = *x
			}
		}
		rows = append(rows, row)
	}
	return g, rows
}

func load(t testing.TB, text string) *Model {
	t.Helper()
	m, err := Load([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// expect compares a prediction with XGBoost's. It adds in float32, so that its margins are less exact than its probabilities.
func expect(t *testing.T, m *Model, row []float64, margin, probability float64) {
	t.Helper()
	gotMargin, gotProbability, err := m.Predict(row)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(gotMargin-margin) > 1e-5 || math.Abs(gotProbability-probability) > 1e-6 {
		t.Errorf("%v: margin %v, probability %v, want %v, %v", row, gotMargin, gotProbability, margin, probability)
	}
}

func TestPredict_answers_as_XGBoost_does_in_every_form(t *testing.T) {
	g, rows := readGolden(t)
	forms := 0
	for _, model := range g.Models {
		for version, text := range model.Forms {
			t.Run(model.Name+" "+version, func(t *testing.T) {
				m := load(t, text)
				for i, row := range rows {
					expect(t, m, row, model.Margin[i], model.Probability[i])
				}
			})
			forms++
		}
	}
	if len(rows) != 1000 || forms != 10 {
		t.Errorf("%d rows and %d forms", len(rows), forms)
	}
}

// TestGolden_rows_tell_less_from_less_or_equal makes sure that the rows would show the faults that are cured.
func TestGolden_rows_tell_less_from_less_or_equal(t *testing.T) {
	g, rows := readGolden(t)
	model := g.Models[0]
	w := walkOf(t, []byte(model.Forms["1.7"]))
	other, unrounded := 0, 0
	for i, row := range rows {
		if w.less = func(x float64, t float32) bool { return float32(x) <= t }; math.Abs(w.probability(row)-model.Probability[i]) > 1e-3 {
			other++
		}
		if w.less = func(x float64, t float32) bool { return x < float64(t) }; math.Abs(w.probability(row)-model.Probability[i]) > 1e-3 {
			unrounded++
		}
	}
	if other < 300 || unrounded < 30 {
		t.Errorf("x <= t is seen in %d rows, float64 features in %d", other, unrounded)
	}
}

func TestPredict_is_the_same_from_many_goroutines(t *testing.T) {
	g, rows := readGolden(t)
	m := load(t, g.Models[0].Forms["1.7"])
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i, row := range rows {
				if _, p, err := m.Predict(row); err != nil || math.Abs(p-g.Models[0].Probability[i]) > 1e-6 {
					t.Errorf("row %d: %v, %v", i, p, err)
				}
			}
		})
	}
	wait.Wait()
}

func TestCard_describes_the_model(t *testing.T) {
	g, _ := readGolden(t)
	names := []string{"phash", "ahash", "dhash", "colorhash", "mae", "block"}
	for _, x := range []struct {
		model         int
		form, xgboost string
		booster       string
		objective     string
		base          float64
		trees, depth  int
	}{
		{0, "2.0", "2.0.3", "gbtree", "binary:logistic", 0.3, 12, 4},
		{2, "1.7", "1.7.4", "gbtree", "reg:logistic", 0.7, 6, 1},
		{3, "3.1", "3.1.0", "dart", "binary:logistic", 0.3, 10, 4},
		{3, "3.4", "3.4.1", "dart", "binary:logistic", 0.3, 10, 4},
	} {
		m := load(t, g.Models[x.model].Forms[x.form])
		c, splits := m.Card(), 0
		for _, n := range c.Splits {
			splits += n
		}
		if c.XGBoost != x.xgboost || c.Booster != x.booster || c.Objective != x.objective || math.Abs(c.BaseScore-x.base) > 1e-7 ||
			c.Trees != x.trees || c.Depth != x.depth || c.Leaves != splits+x.trees || !slices.Equal(c.Features, names) {
			t.Errorf("%s %s: %+v", g.Models[x.model].Name, x.form, c)
		}
		if m.Trees() != x.trees || m.NumFeatures() != 6 || !slices.Equal(m.FeatureNames(), names) {
			t.Errorf("%d trees, %d features: %v", m.Trees(), m.NumFeatures(), m.FeatureNames())
		}
	}
}

// originalModel is the reward model that the original project published (XGBoost 2.0.3), where a data folder lies beside the repository or
// above it. Nothing of it is in the repository.
func originalModel(t *testing.T) *Model {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		folder := filepath.Join(dir, "shared", "data", "reward")
		if _, err := os.Stat(folder); err == nil {
			data, err := os.ReadFile(filepath.Join(folder, "sn19-image-similarity-xgb.json"))
			if err != nil {
				t.Fatal(err)
			}
			return load(t, string(data))
		}
		if dir == filepath.Dir(dir) {
			t.Skip("no folder shared/data/reward: the original's model is not tested; the golden models are of the same form")
		}
	}
}

func TestOriginal_model_answers_as_it_did(t *testing.T) {
	m := originalModel(t)
	for _, x := range []struct {
		row                 []float64 // phash, ahash, dhash, colorhash
		margin, probability float64
	}{
		{[]float64{0, 0, 0, 0}, 7.751149, 0.99956994}, {[]float64{12, 8, 14, 4}, -4.817736, 0.00802023},
		{[]float64{2, 1, 1, 0}, 6.813099, 0.99890193}, {[]float64{14, 10, 16, 5}, -4.721302, 0.00882501},
		{[]float64{2, 2, 2, 1}, 4.539195, 0.98943090}, {[]float64{16, 12, 18, 6}, -11.065898, 0.00001564},
		{[]float64{4, 2, 3, 1}, 3.488631, 0.97036256}, {[]float64{20, 15, 20, 8}, -9.711363, 0.00006059},
		{[]float64{4, 4, 4, 2}, 3.220710, 0.96160623}, {[]float64{32, 32, 32, 14}, -11.326165, 0.00001205},
		{[]float64{8, 5, 8, 3}, 2.675799, 0.93558338}, {[]float64{32, 0, 0, 0}, 2.376130, 0.91498888},
		{[]float64{10, 8, 10, 4}, -6.504025, 0.00149516}, {[]float64{0, 0, 32, 0}, -2.707938, 0.06250658},
		{[]float64{0, 0, 0, 14}, 6.893257, 0.99898642}, {[]float64{0, 32, 0, 0}, -1.551182, 0.17491561},
	} {
		expect(t, m, x.row, x.margin, x.probability)
	}
	c := m.Card()
	if c.Trees != 100 || c.Leaves != 2183 || c.Depth != 6 || !slices.Equal(c.Features, []string{"phash", "ahash", "dhash", "chash"}) ||
		!slices.Equal(c.Splits, []int{520, 445, 691, 427}) {
		t.Errorf("%+v", c)
	}
}
