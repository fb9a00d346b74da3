package sdktest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// broken is an endpoint that breaks one promise, and the cases that must find it; no other may.
type broken struct {
	name  string
	make  func() *painter
	cases string
}

// spoiled makes an endpoint that goes wrong for good when a request is as no host sends it.
func spoiled(by func(sdk.Request) bool) func() *painter {
	return func() *painter {
		var spoiled atomic.Bool
		return &painter{before: func(_ context.Context, r sdk.Request) error {
			if spoiled.Load() || by(r) {
				spoiled.Store(true)
				return errors.New("spoiled")
			}
			return nil
		}}
	}
}

// refusing makes an endpoint that fails a kind of request.
func refusing(err error, which func(sdk.Request) bool) func() *painter {
	return func() *painter {
		return &painter{before: func(_ context.Context, r sdk.Request) error {
			if which(r) {
				return err
			}
			return nil
		}}
	}
}

// described makes an endpoint with another description.
func described(change func(*sdk.Description)) func() *painter {
	return func() *painter {
		return &painter{describe: func(d sdk.Description) sdk.Description { change(&d); return d }}
	}
}

// painting makes an endpoint whose answers are changed.
func painting(change func(sdk.Request, []byte)) func() *painter {
	return func() *painter {
		return &painter{paint: func(r sdk.Request, result sdk.Result) sdk.Result { change(r, result.Images[0].Data); return result }}
	}
}

var errPainter = errors.New("the painter fell off its ladder")

func brokenEndpoints() []broken {
	var slow, asked atomic.Int64
	isImage := func(r sdk.Request) bool { return len(r.Images["image"]) > 0 }
	return []broken{
		{"is slow to describe itself", func() *painter {
			return &painter{describe: func(d sdk.Description) sdk.Description {
				if slow.Add(1) <= 3 {
					time.Sleep(1100 * time.Millisecond)
				}
				return d
			}}
		}, "describes_itself_at_once"},
		{"has no doc", described(func(d *sdk.Description) { d.Parameters[0].Doc = "" }), "its_description_is_sound"},
		{"has no title", described(func(d *sdk.Description) { d.Title = "" }), "its_description_is_sound"},
		{"has a default beyond its range", described(func(d *sdk.Description) { d.Parameters[0].Default = int64(7) }), "its_description_is_sound"},
		{"describes itself differently each time", described(func(d *sdk.Description) { d.MemoryBytes += asked.Add(1) }), "its_description_stays_the_same"},
		{"takes another configuration once it has one", func() *painter {
			p := &painter{}
			p.configure = func(sdk.Config) error {
				p.describe = func(d sdk.Description) sdk.Description { d.Config = d.Config[:1]; return d }
				return nil
			}
			return p
		}, "its_description_stays_the_same"},
		{"does not say which path is wrong", func() *painter {
			return &painter{configure: func(c sdk.Config) error {
				if c.Values.String("model") != "" {
					return errPainter
				}
				return nil
			}}
		}, "configure_names_what_is_wrong"},
		{"cannot be configured", func() *painter { return &painter{configure: func(sdk.Config) error { return errPainter }} }, "its_description_stays_the_same configure_names_what_is_wrong"},
		{"loads backward", func() *painter {
			return &painter{load: func(_ context.Context, p sdk.LoadProgress) { p(0.9, "nearly"); p(0.1, "hardly") }}
		}, "loads_and_says_how_far_it_is"},
		{"loads for ever", func() *painter {
			return &painter{load: func(ctx context.Context, _ sdk.LoadProgress) {
				if wait(ctx, 50*time.Millisecond) != nil {
					time.Sleep(time.Second)
				}
			}}
		}, "a_cancelled_load_ends"},
		{"does not warm up", func() *painter {
			var first sync.Once
			return &painter{before: func(ctx context.Context, _ sdk.Request) (err error) {
				first.Do(func() { err = wait(ctx, 1500*time.Millisecond) })
				return err
			}}
		}, "the_first_answer_is_as_fast_as_the_others"},
		{"answers nothing", refusing(errPainter, func(sdk.Request) bool { return true }), "is_loaded_once"},
		{"refuses what it says that is sampled", refusing(sdk.InvalidInput("style", "is not there"), func(r sdk.Request) bool { return r.Values.String("style") == "noisy" }),
			"answers_every_sampled_request"},
		{"says that it used what is no parameter", func() *painter {
			return &painter{paint: func(r sdk.Request, result sdk.Result) sdk.Result {
				result.Values = schema.Values{"brush": int64(1)}
				return result
			}}
		}, "answers_every_sampled_request answers_at_the_edges_of_its_ranges takes_every_picture_that_it_declares its_largest_answer_is_within_its_bound"},
		{"has another size than declared", refusing(errPainter, func(r sdk.Request) bool { return r.Values.Int("width") == 256 }),
			"answers_at_the_edges_of_its_ranges its_largest_answer_is_within_its_bound"},
		{"fails at the longest text", refusing(errPainter, func(r sdk.Request) bool { return strings.HasPrefix(r.Text("prompt"), "é é") }), "answers_at_the_edges_of_its_ranges"},
		{"knows no single pixel", refusing(errPainter, func(r sdk.Request) bool { i, _ := r.Image("image"); return i.Width == 1 }), "takes_every_picture_that_it_declares"},
		{"paints more bytes than it declares", described(func(d *sdk.Description) { d.Output.MaxBytes-- }), "its_largest_answer_is_within_its_bound"},
		{"is not deterministic", painting(func(_ sdk.Request, data []byte) { data[0] = byte(rand.Int()) }),
			"the_same_seed_gives_the_same_answer another_process_gives_the_same_answer answers_as_many_at_once_as_it_declares answers_more_than_it_declares_in_turn"},
		{"depends on its process", func() *painter {
			salt := byte(asked.Add(1))
			return &painter{paint: func(_ sdk.Request, result sdk.Result) sdk.Result { result.Images[0].Data[0] = salt; return result }}
		}, "another_process_gives_the_same_answer"},
		{"has no use for a seed", painting(func(_ sdk.Request, data []byte) { clear(data) }), "another_seed_gives_another_answer"},
		{"is spoiled by a number", spoiled(func(r sdk.Request) bool { return r.Values.Int("steps") > 120 }), "survives_what_the_schema_excludes"},
		{"is spoiled by a missing text", spoiled(func(r sdk.Request) bool { return len(r.Texts["prompt"]) == 0 && r.Values.Int("width") > 0 }),
			"survives_missing_and_unknown_inputs"},
		{"is spoiled by a long text", spoiled(func(r sdk.Request) bool { return len(r.Text("prompt")) > 200 && r.Text("prompt")[0] == 'x' }), "survives_inputs_beyond_their_bounds"},
		{"is spoiled by a value without a name", spoiled(func(r sdk.Request) bool { _, ok := r.Values["x"]; return ok }), "survives_broken_messages"},
		{"calls broken pictures a fault of its own", func() *painter { return &painter{broken: errPainter} },
			"refuses_pictures_that_are_none one_bad_request_does_not_fail_its_batch"},
		{"mixes up answers", func() *painter {
			var seed atomic.Int64
			return &painter{
				before: func(_ context.Context, r sdk.Request) error {
					seed.Store(r.Values.Int("seed"))
					time.Sleep(25 * time.Millisecond) // long enough for others to begin, however busy the machine
					return nil
				},
				paint: func(_ sdk.Request, result sdk.Result) sdk.Result {
					result.Images[0].Data[0], result.Images[0].Data[1] = byte(seed.Load()), byte(seed.Load()>>8)
					return result
				},
			}
		}, "answers_as_many_at_once_as_it_declares answers_more_than_it_declares_in_turn"},
		{"mixes up a batch", func() *painter {
			return &painter{together: func(_ []sdk.Call, out []sdk.Outcome) { slices.Reverse(out) }}
		}, "answers_a_batch_as_it_answers_one_by_one one_bad_request_does_not_fail_its_batch"},
		{"fails a batch for one", func() *painter {
			return &painter{together: func(_ []sdk.Call, out []sdk.Outcome) {
				for i := range out {
					if out[i].Err != nil {
						for k := range out {
							out[k].Err = out[i].Err
						}
						return
					}
				}
			}}
		}, "one_bad_request_does_not_fail_its_batch"},
		{"does not tell its last step", func() *painter { return &painter{steps: func(done, total int) bool { return done < total }} }, "its_steps_rise_to_their_total"},
		{"sends previews that are none", func() *painter {
			return &painter{preview: func(i sdk.Image) sdk.Image { i.Data = i.Data[1:]; return i }}
		}, "sends_previews_only_when_asked"},
		{"declares previews and has none", func() *painter {
			return &painter{preview: func(sdk.Image) sdk.Image { return sdk.Image{Data: make([]byte, 64<<20)} }} // more than a message holds: dropped
		}, "sends_previews_only_when_asked"},
		{"cannot be closed", func() *painter { return &painter{close: func() error { return errPainter }} }, "a_cancelled_load_ends shutdown_ends_what_runs shuts_down_before_it_was_configured"},
		{"mistakes pictures for faults", refusing(errPainter, isImage), "takes_every_picture_that_it_declares one_bad_request_does_not_fail_its_batch answers_every_sampled_request"},
	}
}

func TestSuite_finds_what_is_broken(t *testing.T) {
	t.Parallel()
	for _, b := range brokenEndpoints() {
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := impatient(InProcess(func() sdk.Endpoint { return b.make() }), Options{Match: allBut("survives_an_oversized_message")})
			expect(t, s.run(t.Context()), b.cases)
		})
	}
}

func TestSuite_finds_work_that_goes_on_after_its_end(t *testing.T) {
	t.Parallel()
	s := impatient(InProcess(func() sdk.Endpoint {
		return &painter{before: func(ctx context.Context, r sdk.Request) error {
			if r.Values.Float("pause") > 0 {
				<-ctx.Done()
				time.Sleep(2 * time.Second) // far longer than the suite allows, whenever this machine gets around to the cancel
			}
			return nil
		}}
	}), Options{Match: regexp.MustCompile("cancel|deadline|well|lost|shutdown|drains")})
	s.waits.stop = 400 * time.Millisecond
	expect(t, s.run(t.Context()), "a_cancelled_request_ends_within_a_step a_deadline_ends_the_work cancelling_one_request_leaves_the_others is_well_while_it_works a_lost_host_ends_its_requests shutdown_ends_what_runs")
}

// allBut matches every case but one, which copies 64 MiB and which none of these endpoints can break.
func allBut(name string) *regexp.Regexp {
	var names []string
	for _, c := range Cases() {
		if c.Name != name {
			names = append(names, c.Name)
		}
	}
	return regexp.MustCompile("^(" + strings.Join(names, "|") + ")$")
}

// impatient is a suite that waits less: its endpoints take milliseconds.
func impatient(target Target, o Options) *suite {
	s := newSuite(target, o)
	s.waits = waits{long: 200 * time.Millisecond, short: 100 * time.Millisecond, stop: time.Second, loadStop: 500 * time.Millisecond}
	return s
}

// expect compares the cases that failed with those that must have.
func expect(t *testing.T, report Report, cases string) {
	t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, name := range strings.Fields(cases) {
		want[name] = true
	}
	for _, c := range report.Cases {
		if c.Result != Failed {
			continue
		}
		got[c.Name] = true
		if !want[c.Name] {
			t.Errorf("%s fails too: %s", c.Name, c.Detail)
		}
		if c.Detail == "" {
			t.Errorf("%s does not say what is wrong", c.Name)
		}
	}
	for name := range maps.Keys(want) {
		if !got[name] {
			t.Errorf("%s does not find it", name)
		}
	}
}
