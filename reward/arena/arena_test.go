package arena

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vision19/vision/reward"
)

func rules(t testing.TB, name string) reward.Rules {
	t.Helper()
	r, err := reward.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// options are those of a short arena over the assumed pairs, which a new file of pairs does not change.
func options(t testing.TB, strategies ...string) Options {
	t.Helper()
	return Options{
		Miners: 32, Periods: 12, Seed: 1, Seeds: 2, Strategies: strategies, References: Both, Rules: rules(t, ""), Gallery: assumedPairs(t),
	}
}

func run(t testing.TB, o Options) Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRun_leaves_cheats_with_nothing_and_honest_miners_with_all is a short form of `make arena`, whose bars are the real ones.
func TestRun_leaves_cheats_with_nothing_and_honest_miners_with_all(t *testing.T) {
	r := run(t, options(t))
	if len(r.Strategies) != len(strategies) {
		t.Fatalf("%d strategies", len(r.Strategies))
	}
	for i, row := range r.Strategies {
		s := strategies[i]
		slack := 0.1
		if s.name == "identity-reset" || s.name == "smart-ring-30" {
			slack = 0.2 // there are not many periods to find them out in
		}
		for name, got := range map[string]float64{"with": row.Weight, "without": row.ReferencesOff.Weight} {
			if s.bound == most && got > s.bar+slack || s.bound == least && got < s.bar-slack || math.IsNaN(got) {
				t.Errorf("%s %s references earns %.3f, its bar is %.2f", s.name, name, got, s.bar)
			}
		}
	}
}

// TestRun_repeats_the_simulation_that_the_rules_were_chosen_by plays what the README words, without trust, against numbers of another simulator.
func TestRun_repeats_the_simulation_that_the_rules_were_chosen_by(t *testing.T) {
	want := map[string]float64{"half-steps": 0.771, "smaller-model": 0.634, "clip-search": 0.756, "collude-ring-30": 0.745, "smart-ring-30": 0.954}
	o := options(t)
	o.Strategies = nil
	for name := range want {
		o.Strategies = append(o.Strategies, name)
	}
	o.Rules.Trust, o.Rules.Kinds, o.References, o.Seeds = 0, reward.KindByPeriod, On, 4
	for _, row := range run(t, o).Strategies {
		if math.Abs(row.Weight-want[row.Name]) > 0.03 {
			t.Errorf("%s earns %.3f, in the other simulator %.3f", row.Name, row.Weight, want[row.Name])
		}
	}
}

// golden is the digest of a short arena on amd64. Elsewhere a fused multiplication may tip one of a million comparisons of latencies.
const golden = "f0f011e207b62a18"

func TestRun_depends_on_nothing_but_its_seed(t *testing.T) {
	o := options(t, "half-steps", "smart-ring-30", "copy-partner", "identity-reset", "honest-noisy")
	o.Miners, o.Periods, o.Seeds = 16, 6, 3
	digest := func(workers int, seed uint64) string {
		o.Workers, o.Seed = workers, seed
		text, err := json.Marshal(run(t, o))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%.8x", sha256.Sum256(text))
	}
	first := digest(1, 1)
	if other := digest(5, 1); other != first {
		t.Errorf("with one worker %s, with five %s", first, other)
	}
	if other := digest(1, 2); other == first {
		t.Error("another seed gives the same")
	}
	if runtime.GOARCH == "amd64" && first != golden {
		t.Errorf("the digest is %s, was %s: if a rule or a strategy was meant to change, this is the new one", first, golden)
	}
}

func TestRun_ends_with_its_context(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t, "half-steps")
	o.Workers, o.Progress = 1, func(done, total int) {
		if done > 1 || total != 6 {
			t.Errorf("%d of %d runs", done, total)
		}
		cancel()
	}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCheck_names_what_cannot_be_played(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"miners is 15; it must be from 16 to 1024": func(o *Options) { o.Miners = 15 },
		"periods is 501":               func(o *Options) { o.Periods = 501 },
		"seeds is 0":                   func(o *Options) { o.Seeds = 0 },
		`references is "maybe"`:        func(o *Options) { o.References = "maybe" },
		`strategy "bribe" is unknown`:  func(o *Options) { o.Strategies = []string{"half-steps", "bribe"} },
		"there is no gallery":          func(o *Options) { o.Gallery = nil },
		"bonus is 2; it must be from ": func(o *Options) { o.Rules.Bonus = 2 },
	} {
		o := options(t)
		change(&o)
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestStrategies_are_those_of_the_design(t *testing.T) {
	const names = "random-image half-steps smaller-model other-seed prompt-cache false-nsfw false-features clip-search low-res slow-drip " +
		"phantom-endpoint replay copy-partner synthetic-only organic-only refuse-alone one-in-ten one-in-three half-the-time collude-ring-10 " +
		"collude-ring-20 collude-ring-30 smart-ring-30 framing-ring-30 identity-reset many-identities many-identities-burst collude-pair " +
		"honest-slow honest-noisy honest-timeouts"
	if got := strings.Join(Strategies(), " "); got != names {
		t.Error(got)
	}
	for _, s := range strategies {
		if needed := slices.Contains([]Kind{HalfSteps, LowRes, OtherSeed, OtherCheckpoint, OtherPrompt, Cached, ClipSearch}, s.picture); !needed && s.pace > 0 {
			t.Errorf("%s has no picture to cheat with", s.name)
		}
		if n := s.members(MinMiners); n < 1 || s.twins && 2*n > MinMiners {
			t.Errorf("%s has %d of %d miners", s.name, n, MinMiners)
		}
	}
}

func TestRings_cheat_where_they_hold_enough_seats(t *testing.T) {
	for name, c := range map[string]struct {
		strategy string
		turn     turn
		want     move
	}{
		"alone":                    {"smart-ring-30", turn{copies: 1}, honest},
		"two":                      {"smart-ring-30", turn{copies: 2}, cheat},
		"late, after a cheat":      {"smart-ring-30", turn{copies: 2, late: true, cheated: true}, cheat},
		"late, after none":         {"smart-ring-30", turn{copies: 1, late: true}, honest},
		"late, were it two by now": {"smart-ring-30", turn{copies: 2, late: true}, honest},
		"two of three to frame":    {"framing-ring-30", turn{copies: 2}, honest},
		"three to frame":           {"framing-ring-30", turn{copies: 3}, cheat},
		"alone, refusing":          {"refuse-alone", turn{copies: 1}, refuse},
		"dumb":                     {"collude-ring-10", turn{copies: 1}, cheat},
		"junk on organic":          {"synthetic-only", turn{kind: reward.Organic, member: 2}, cheat},
		"429 on organic":           {"synthetic-only", turn{kind: reward.Organic, member: 3}, refuse},
		"its own kind":             {"synthetic-only", turn{kind: reward.Synthetic, member: 3}, honest},
	} {
		i := slices.IndexFunc(strategies, func(s strategy) bool { return s.name == c.strategy })
		if got := strategies[i].play(c.turn); got != c.want {
			t.Errorf("%s, %s: move %d, want %d", c.strategy, name, got, c.want)
		}
	}
}

func TestResult_is_a_mean_with_its_interval(t *testing.T) {
	s := &strategy{bound: most, bar: 0.5}
	runs := []course{{[]float64{0, 1}, 0.4}, {[]float64{1, 1}, 0.6}, {[]float64{0.5, 1}, 0.5}}
	r := s.result(runs)
	wide := 4.303 * 0.1 / math.Sqrt(3)
	if math.Abs(r.Weight-0.5) > 1e-12 || math.Abs(r.High-0.5-wide) > 1e-9 || math.Abs(r.Low-0.5+wide) > 1e-9 || r.Holds {
		t.Errorf("%+v", r)
	}
	if math.Abs(r.course[0]-0.5) > 1e-12 {
		t.Errorf("course %v", r.course)
	}
	if r := s.result(runs[2:]); r.Low != 0.5 || r.High != 0.5 || !r.Holds {
		t.Errorf("of one seed: %+v", r)
	}
	for df, want := range map[int]float64{1: 12.706, 10: 2.228, 11: 2.201, 19: 2.093, 30: 2.042, 1000: 1.962} {
		if got := student(df); math.Abs(got-want) > 0.003 {
			t.Errorf("t of %d degrees of freedom is %.4f, want %.3f", df, got, want)
		}
	}
}

func TestPlot_is_an_image_with_a_panel_for_each_strategy(t *testing.T) {
	o := options(t, "half-steps", "many-identities", "honest-slow")
	o.Miners, o.Periods, o.Seeds = 16, 4, 1
	for _, references := range []References{On, Off, Both} {
		o.References = references
		var b bytes.Buffer
		if err := run(t, o).Plot(&b); err != nil {
			t.Fatal(err)
		}
		decoder, lines, texts := xml.NewDecoder(&b), 0, ""
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			switch x := token.(type) {
			case xml.StartElement:
				for _, a := range x.Attr {
					if a.Name.Local == "d" && strings.Contains(a.Value, "L") {
						lines++
					}
				}
			case xml.CharData:
				texts += string(x)
			}
		}
		want := map[References]int{On: 6, Off: 6, Both: 9}[references]
		if lines != want || !strings.Contains(texts, "many-identities") || strings.Contains(texts, "NaN") ||
			strings.Contains(texts, "with references") != (references != Off) || strings.Contains(texts, "without references") != (references != On) {
			t.Errorf("references %s: %d lines, %s", references, lines, texts)
		}
	}
}
