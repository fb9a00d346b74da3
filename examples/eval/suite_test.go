package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"strings"
	"testing"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

func containsAny(s string, any []string) bool {
	for _, sub := range any {
		if strings.Contains(s, sub) {
			return true
		}
	}
	return false
}

// hostFunc is a host that answers with a function.
type hostFunc func(api.Job) (sdk.Result, error)

func (f hostFunc) Do(_ context.Context, job api.Job, _ api.Events) (api.Answer, error) {
	result, err := f(job)
	return api.Answer{Result: result}, err
}

// painted is a result with this picture.
func painted(t *testing.T, p imaging.Pixels) sdk.Result {
	t.Helper()
	data, err := p.PNG()
	if err != nil {
		t.Error(err)
	}
	return sdk.Result{Images: []sdk.Image{{MediaType: sdk.PNG, Width: p.Width, Height: p.Height, Data: data}}}
}

// numbered is a suite of a few trials, each of which asks with its number as the prompt and holds when the answer is that many px wide.
func numbered(cases int) suite {
	return suite{
		endpoint: "numbered", cases: cases, measures: []measure{share("numbered_right", 0.5), {name: "numbered_width", unit: "px", least: true}},
		trial: func(i int) trial {
			return trial{
				texts: prompt(string(rune('a' + i))), size: image.Pt(i+1, 1),
				judge: func(a answer) marks {
					return marks{"numbered_right": right(a.picture.Width%2 == 1), "numbered_width": float64(a.picture.Width)}
				},
			}
		},
	}
}

func TestRun_keeps_the_order_of_the_cases_and_sums_them_up(t *testing.T) {
	s, done := numbered(9), 0
	results, err := s.run(t.Context(), hostFunc(func(job api.Job) (sdk.Result, error) {
		return painted(t, imaging.Flat(int(job.Texts["prompt"][0][0]-'a')+1, 1, 1, 2, 3)), nil
	}), 3, func() { done++ })
	if err != nil || done != 9 {
		t.Fatal(err, done)
	}
	for i, r := range results {
		if r.picture.Width != i+1 || s.wrong(r) != (i%2 == 1) {
			t.Errorf("case %d has a picture %d px wide", i, r.picture.Width)
		}
	}
	rows := s.rows(results)
	if rows[0].Value != 5.0/9 || !rows[0].Holds || *rows[0].Bar != 0.5 || rows[0].Seeds != "0..8" {
		t.Errorf("%+v", rows[0])
	}
	if rows[1].Value != 1 || rows[1].Bar != nil || !rows[1].Holds {
		t.Errorf("%+v", rows[1])
	}
	var text bytes.Buffer
	rows[0].print(&text)
	if got := strings.Fields(text.String()); strings.Join(got, " ") != "numbered_right 0.556 share 0.50 yes" {
		t.Errorf("%q", got)
	}
}

func TestSheet_shows_inputs_then_the_answer_and_what_is_wrong_in_red(t *testing.T) {
	s := numbered(2)
	case0 := result{trial: trial{want: scene{colour: "red", shape: "ring"}, shown: []imaging.Pixels{imaging.Flat(8, 8, 10, 10, 10)}}}
	case1 := case0
	case0.picture, case0.marks = imaging.Flat(300, 300, 20, 20, 20), marks{"numbered_right": 1}
	case1.picture, case1.marks = imaging.Flat(1, 1, 30, 30, 30), marks{"numbered_right": 0}
	sheet := s.sheet([]result{case0, case1})
	group := 2*(cell+gap) + gap
	for _, c := range []struct{ x, y, want int }{
		{gap, gap, 10}, {gap + 8, gap, 240}, {gap + cell + gap, gap, 20}, {gap + 2*cell + gap - 1, gap + cell - 1, 20}, {group + gap + cell + gap, gap, 30},
	} {
		if got := sheet.NRGBAAt(c.x, c.y); int(got.R) != c.want {
			t.Errorf("at %d, %d is %v, want %d", c.x, c.y, got, c.want)
		}
	}
	ink := func(x0 int) (black, red int) {
		for x := x0; x < x0+cell; x++ {
			for y := gap + cell; y < sheet.Bounds().Dy(); y++ {
				switch got := sheet.NRGBAAt(x, y); {
				case got.R == 0:
					black++
				case got.R > 0 && got.G == 0:
					red++
				}
			}
		}
		return black, red
	}
	if black, red := ink(gap); black == 0 || red != 0 {
		t.Errorf("a right case's label has %d black and %d red px", black, red)
	}
	if black, red := ink(group + gap); black != 0 || red == 0 {
		t.Errorf("a wrong case's label has %d black and %d red px", black, red)
	}
}

func TestRows_of_what_was_never_measured_hold_no_bar(t *testing.T) {
	rows := numbered(1).rows([]result{{}})
	if rows[0].Holds || rows[0].Value != 0 {
		t.Errorf("%+v", rows[0])
	}
}

func TestRun_ends_with_the_first_error(t *testing.T) {
	broken := errors.New("broken")
	for name, answer := range map[string]hostFunc{
		"case 4: broken": func(api.Job) (sdk.Result, error) { return sdk.Result{}, broken },
		"case 4: the picture is (7,1) px, not (5,1": func(api.Job) (sdk.Result, error) { return painted(t, imaging.Flat(7, 1, 0, 0, 0)), nil },
	} {
		_, err := numbered(9).run(t.Context(), hostFunc(func(job api.Job) (sdk.Result, error) {
			if n := int(job.Texts["prompt"][0][0] - 'a'); n != 4 {
				return painted(t, imaging.Flat(n+1, 1, 0, 0, 0)), nil
			}
			return answer(job)
		}), 2, func() {})
		if err == nil || !strings.Contains(err.Error(), "numbered, "+name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

func TestSuites_give_full_marks_to_the_truth_and_low_ones_to_others(t *testing.T) {
	const n = 16
	for _, s := range suites {
		if s.endpoint == "text-to-image" || s.endpoint == "clip-embed" {
			continue // the one asks by words alone, the other paints nothing
		}
		var right, wrong []result
		for i := range n {
			trial := s.trial(7 * i) // every shape twice, every side
			other := s.trial(7*i + 2*len(shapes))
			right = append(right, result{marks: trial.judge(answer{picture: trial.want.render(trial.size.X)})})
			wrong = append(wrong, result{marks: trial.judge(answer{picture: other.want.render(trial.size.X)})})
		}
		others := s.rows(wrong)
		for i, r := range s.rows(right) {
			full := map[string]float64{"share": 0.96, "dB": 20, "IoU": 0.85}[r.Unit]
			if r.Value < full {
				t.Errorf("%s of the truth is %.3f", r.Name, r.Value)
			}
			if !strings.Contains(r.Name, "shape") && others[i].Value > full/2 {
				t.Errorf("%s of another scene is %.3f", r.Name, others[i].Value)
			}
		}
	}
}

func TestSuites_bear_refused_pictures_and_no_embeddings(t *testing.T) {
	for _, s := range suites {
		for _, number := range []int{0, s.cases - 1} {
			for name, mark := range s.trial(number).judge(answer{}) {
				if mark != 0 && !strings.HasPrefix(name, "safety_") {
					t.Errorf("%s of nothing is %v", name, mark)
				}
			}
		}
	}
}

func TestClipEmbed_counts_the_nearest_texts(t *testing.T) {
	const number = 3 // a star
	trial := clipEmbed.trial(number)
	texts := trial.texts["text"]
	if len(texts) != captions+len(shapes) || texts[captions+number] != "a star" {
		t.Fatalf("%q", texts)
	}
	for name, c := range map[string]struct {
		near [2]int // the texts that the picture is nearest to, of the captions and of the names
		want marks
	}{
		"its own": {[2]int{0, number}, marks{"clip_embed_first_of_16": 1, "clip_embed_zero_shot_shape": 1}},
		"others":  {[2]int{5, 0}, marks{"clip_embed_first_of_16": 0, "clip_embed_zero_shot_shape": 0}},
	} {
		embeddings := [][]float32{{1, 0}}
		for i := range texts {
			if i == c.near[0] || i == captions+c.near[1] {
				embeddings = append(embeddings, []float32{0.8, 0.6})
			} else {
				embeddings = append(embeddings, []float32{-0.8, 0.6})
			}
		}
		for key, want := range c.want {
			if got := trial.judge(answer{embeddings: embeddings})[key]; got != want {
				t.Errorf("%s: %s is %v", name, key, got)
			}
		}
	}
}

func TestTrials_ask_what_the_endpoints_take(t *testing.T) {
	for _, s := range suites {
		if s.cases < 200 {
			t.Errorf("%s has %d cases", s.endpoint, s.cases)
		}
		first := s.trial(5)
		if again := s.trial(5); first.want != again.want || !equalTexts(first.texts, again.texts) {
			t.Errorf("%s: a case is not the same twice", s.endpoint)
		}
		for name, p := range first.images {
			if p.Width%8 != 0 || p.Height%8 != 0 || len(p.Pix) != p.Width*p.Height*p.Channels {
				t.Errorf("%s: %s is %d x %d", s.endpoint, name, p.Width, p.Height)
			}
		}
	}
	if inner := known["right"]; inner != image.Rect(0, 0, 64, 128) {
		t.Errorf("what is extended to the right is %v", inner)
	}
}

func equalTexts(a, b map[string][]string) bool {
	for name := range a {
		if strings.Join(a[name], "|") != strings.Join(b[name], "|") {
			return false
		}
	}
	return len(a) == len(b)
}

func TestChoose_takes_names_and_says_which_there_are(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "text-to-image image-to-image inpaint uncrop scribble upscale clip-embed"},
		{[]string{"inpaint,upscale"}, "inpaint upscale"},
		{[]string{"upscale", "inpaint"}, "upscale inpaint"},
	} {
		chosen, err := choose(c.args)
		var names []string
		for _, s := range chosen {
			names = append(names, s.endpoint)
		}
		if err != nil || strings.Join(names, " ") != c.want {
			t.Errorf("%q: %q, %v", c.args, names, err)
		}
	}
	if _, err := choose([]string{"paint"}); err == nil || !strings.Contains(err.Error(), `"paint"; there are text-to-image, `) {
		t.Error(err)
	}
}
