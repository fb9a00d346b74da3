package scheduler

import (
	"math"
	"slices"
	"testing"
)

func closeTo(got, want []float32) bool {
	return slices.EqualFunc(got, want, func(a, b float32) bool { return math.Abs(float64(a-b)) <= 1e-6 })
}

func TestStep_clips_at_the_quantile_of_the_predicted_picture(t *testing.T) {
	predicted := []float32{0, 1, -2, 4} // the median of the absolute values is 1.5
	none := Limit(math.Inf(1))
	for _, c := range []struct {
		ratio float64
		limit Limit
		want  []float32
	}{
		{0.5, none, []float32{0, 1 / 1.5, -1, 1}},
		{0.5, 1.2, []float32{0, 1 / 1.2, -1, 1}},
		{0.5, 0, []float32{0, 1, -1, 1}}, // absent: 1
		{1, none, []float32{0, 0.25, -0.5, 1}},
		{0.9, none, []float32{0, 1 / 3.4, -2 / 3.4, 1}},
		{0.1, none, []float32{0, 1, -1, 1}}, // a quantile below 1 counts as 1
		{1, 0.5, []float32{0, 1, -1, 1}},
	} {
		for _, name := range []string{"ddim", "ddpm", "lcm", "dpmpp_2m"} {
			config, err := Config{ClassName: classDDIM, PredictionType: "sample", Thresholding: true,
				DynamicThresholdingRatio: c.ratio, SampleMaxValue: c.limit}.With(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(config, 1)
			if err != nil {
				t.Fatal(err)
			}
			x := make([]float32, 4) // the only step ends at what is predicted
			s.Step(0, predicted, x, func(dst []float32) { clear(dst) })
			if !closeTo(x, c.want) {
				t.Errorf("%s, ratio %v, limit %v: %v, want %v", name, c.ratio, c.limit, x, c.want)
			}
		}
	}
}

// Two steps of a model trained for 4: abar is 0.9, 0.72, 0.504, 0.3024, the timesteps are 2 and 0.
func TestStep_of_ddpm_takes_the_variance_that_the_model_learned(t *testing.T) {
	const a, previous = 0.504, 0.9
	beta := 1 - a/previous
	small := (1 - previous) / (1 - a) * beta
	for _, c := range []struct {
		kind    string
		learned float32
		want    float64
	}{
		{"fixed_small", 7, math.Sqrt(small)},
		{"fixed_small_log", 7, math.Sqrt(small)},
		{"fixed_large", 7, math.Sqrt(beta)},
		{"learned", 0.25, 0.5},
		{"learned", -1, 0},
		{"learned_range", -1, math.Sqrt(small)},
		{"learned_range", 1, math.Sqrt(beta)},
		{"learned_range", 0, math.Pow(small*beta, 0.25)},
		{"learned_range", 3, beta / math.Sqrt(small)}, // not clipped: beta squared over small
	} {
		s, err := New(Config{ClassName: classDDPM, NumTrainTimesteps: 4, TrainedBetas: []float64{0.1, 0.2, 0.3, 0.4},
			PredictionType: "sample", VarianceType: c.kind}, 2)
		if err != nil {
			t.Fatal(err)
		}
		x := []float32{0, 0}
		s.Step(0, []float32{0, 0, c.learned, c.learned}, x, func(dst []float32) { copy(dst, []float32{1, -2}) })
		if want := []float32{float32(c.want), float32(-2 * c.want)}; !closeTo(x, want) {
			t.Errorf("%s %v: %v, want %v", c.kind, c.learned, x, want)
		}
	}
}

func TestStep_leaves_a_learned_variance_out_where_it_takes_none(t *testing.T) {
	for _, name := range Names() {
		c, err := Config{ClassName: classDDIM}.With(name)
		if err != nil {
			t.Fatal(err)
		}
		var ends [2][]float32
		for i, output := range [][]float32{{0.5, -0.5}, {0.5, -0.5, 7, 8}} {
			s, err := New(c, 3)
			if err != nil {
				t.Fatal(err)
			}
			ends[i] = []float32{1, 2}
			for step := range s.Timesteps() {
				s.Step(step, output, ends[i], func(dst []float32) { copy(dst, []float32{0.1, 0.2}) })
			}
		}
		if !slices.Equal(ends[0], ends[1]) {
			t.Errorf("%s: %v without a variance, %v with one", name, ends[0], ends[1])
		}
	}
}

func TestTimesteps_of_unCLIP_reach_from_the_noisiest_to_the_cleanest(t *testing.T) {
	for _, want := range [][]float64{{999, 0}, {999, 500, 0}, {999, 666, 333, 0}, {999, 749, 500, 250, 0}} {
		s, err := New(Config{ClassName: UnCLIP}, len(want))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Timesteps(); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// The last step multiplies the picture by 0.99947 and not by 1: in float32 the first beta is not 1-abar.
func TestStep_of_unCLIP_ends_at_the_predicted_picture(t *testing.T) {
	s, err := New(Config{ClassName: UnCLIP, PredictionType: "sample", ClipSampleRange: 10}, 2)
	if err != nil {
		t.Fatal(err)
	}
	x := []float32{5, 5, 5}
	s.Step(1, []float32{2, -11, 11}, x, nil)
	for i, want := range []float64{2, -10, 10} {
		if got := float64(x[i]) / want; math.Abs(got-0.99947) > 1e-5 {
			t.Errorf("%v is %.6f of the prediction %v", x[i], got, want)
		}
	}
}
