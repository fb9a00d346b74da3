package reward

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// rules are those of a preset.
func rules(t testing.TB, name string) Rules {
	t.Helper()
	r, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPreset_gives_rules_that_pass_their_own_check(t *testing.T) {
	for _, name := range Presets() {
		if err := rules(t, name).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rules(t, "") != rules(t, "vision") || Presets()[0] != "vision" {
		t.Error("vision is not the default")
	}
	if _, err := Preset("v3"); err == nil || !strings.Contains(err.Error(), "vision, seed, v2") {
		t.Errorf("the error does not say what there is: %v", err)
	}
}

func TestPreset_has_the_constants_of_its_source(t *testing.T) {
	for name, want := range map[string][6]float64{ // s, c, failed, K, fill, period in minutes
		"vision": {0.25, 0.05, 0, 2, 8, 20},
		"seed":   {0.1, 0.02, 0.2, 0, 1, 20},
		"v2":     {0.25, 0.02, 0.25, 0, 30, 10},
	} {
		r := rules(t, name)
		if got := [6]float64{r.Bonus, r.Audit, r.Failed, r.Trust, float64(r.Fill), r.Period.Minutes()}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestCheck_refuses_each_constant_out_of_its_range breaks every field in turn, so that a new one cannot be forgotten.
func TestCheck_refuses_each_constant_out_of_its_range(t *testing.T) {
	kind := reflect.TypeFor[Rules]()
	for i := range kind.NumField() {
		f := kind.Field(i)
		r := rules(t, "")
		switch v := reflect.ValueOf(&r).Elem().Field(i); v.Kind() {
		case reflect.Float64:
			v.SetFloat(math.NaN())
		case reflect.String:
			v.SetString("sometimes")
		case reflect.Bool:
			continue
		default:
			v.SetInt(-1)
		}
		if r.Check() == nil {
			t.Errorf("%s out of its range passes", f.Name)
		}
	}
	broken := Rules{Period: time.Minute}
	if err := broken.Check(); err == nil || !strings.Contains(err.Error(), "scoring: audit is 0; it must be from 0.001 to 1") ||
		strings.Count(err.Error(), "\n") < 9 {
		t.Errorf("not all faults at once, or not clear: %v", err)
	}
}

func TestVote_is_the_power_of_trust_and_bounded(t *testing.T) {
	r := rules(t, "")
	for trust, want := range map[float64]float64{0: 0, 0.5: 0.25, 1: 1, 2: 1, -1: 0} {
		if got := r.Vote(trust); got != want {
			t.Errorf("%v: %v, want %v", trust, got, want)
		}
	}
	if got := rules(t, "v2").Vote(0); got != 1 {
		t.Errorf("without trust a vote is %v", got)
	}
}
