package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

// rendered is a picture that the tests of package compare have.
func rendered(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../../reward/compare/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReward_compare_tells_other_hardware_from_other_parameters(t *testing.T) {
	u := newUser(t, "")
	original := rendered(t, "00003-reference.png")
	for other, same := range map[string]bool{
		"00003-reference.png": true, "00003-half.png": true, "00003-half-steps.png": false, "00003-other-checkpoint.png": false, "00003-other-prompt.png": false,
		"00007-reference.png": false,
	} {
		r := u.vision(t, "reward", "compare", original, rendered(t, other), "--json")
		if r.code != 0 {
			t.Fatalf("%s: exit code %d\n%s", other, r.code, r.stderr)
		}
		got := object(t, r.stdout)
		if keys(t, got) != "features model p_same same tau" || got["same"] != same {
			t.Errorf("%s: %s", other, r.stdout)
		}
		text := u.works(t, "reward", "compare", original, rendered(t, other))
		if begins := strings.HasPrefix(text.stdout, "the same:"); begins != same {
			t.Errorf("%s: %s", other, text.stdout)
		}
	}
}

func TestReward_compare_takes_another_model_and_threshold(t *testing.T) {
	u := newUser(t, "")
	a, b := rendered(t, "00003-reference.png"), rendered(t, "00003-half.png")
	model, err := filepath.Abs("../../../reward/compare/models/strict.xgboost.json")
	if err != nil {
		t.Fatal(err)
	}
	strict := object(t, u.works(t, "reward", "compare", a, b, "--kind", "strict", "--json").stdout)
	file := object(t, u.works(t, "reward", "compare", a, b, "--model", model, "--tau", "0.25", "--json").stdout)
	if strict["model"] != "strict" || file["model"] != model || file["p_same"] != strict["p_same"] || file["tau"] != 0.25 {
		t.Errorf("%v and %v", strict, file)
	}
}

func TestReward_compare_expects_less_noise_where_less_is_painted(t *testing.T) {
	u := newUser(t, "")
	a, b := rendered(t, "00003-reference.png"), rendered(t, "00003-half.png")
	u.write(t, "mask.png", maskLike(t, a, 0.05))
	all := object(t, u.works(t, "reward", "compare", a, b, "--json").stdout)
	little := object(t, u.works(t, "reward", "compare", a, b, "--mask", "mask.png", "--json").stdout)
	share := little["features"].(map[string]any)["painted"].(float64)
	if all["features"].(map[string]any)["painted"] != 1.0 || share < 0.03 || share > 0.07 || little["p_same"].(float64) > all["p_same"].(float64) {
		t.Errorf("%v and %v", all, little)
	}
}

// maskLike is a mask of a picture's size that marks so much of it.
func maskLike(t *testing.T, picture string, share float64) string {
	t.Helper()
	data, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	p, err := imaging.Read(data, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	mask := imaging.Flat(p.Width, p.Height, 0)
	for i := range int(share * float64(len(mask.Pix))) {
		mask.Pix[i] = 255
	}
	png, err := mask.PNG()
	if err != nil {
		t.Fatal(err)
	}
	return string(png)
}

func TestReward_compare_says_what_is_wrong(t *testing.T) {
	u := newUser(t, "")
	u.write(t, "text.png", "no picture")
	small, err := imaging.Flat(8, 9, 0).PNG()
	if err != nil {
		t.Fatal(err)
	}
	u.write(t, "small.png", string(small))
	a := rendered(t, "00003-reference.png")
	for want, args := range map[string][]string{
		"text.png: the picture is not a picture":              {a, "text.png"},
		"missing.png":                                         {"missing.png", a},
		"no model is shipped for the kind \"photo\"":          {a, a, "--kind", "photo"},
		"--tau is 2":                                          {a, a, "--tau", "2"},
		"text.png: the mask is not a picture":                 {a, a, "--mask", "text.png"},
		"small.png: the mask has 8 x 9 px, the first picture": {a, a, "--mask", "small.png"},
		"not an XGBoost model":                                {a, a, "--model", "text.png"},
		"A.png B.png":                                         {a},
	} {
		r := u.vision(t, append([]string{"reward", "compare"}, args...)...)
		if r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: exit code %d\n%s", want, r.code, r.stderr)
		}
	}
}
