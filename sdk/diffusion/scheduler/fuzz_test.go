package scheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// Whatever Parse takes can be written, read again, and walked with every algorithm without a panic.
func FuzzParse(f *testing.F) {
	for _, class := range classes() {
		f.Add(fmt.Sprintf(`{"_class_name":%q,"beta_schedule":"scaled_linear","lambda_min_clipped":-Infinity}`, class), 4)
	}
	f.Add(`{"_class_name":"DDIMScheduler","num_train_timesteps":2,"trained_betas":[0.1,0.2],"rescale_betas_zero_snr":true,"prediction_type":"sample"}`, 1)
	f.Add(`{"_class_name":"EulerDiscreteScheduler","use_karras_sigmas":true,"sigma_min":0.03,"sigma_max":14,"timestep_spacing":"trailing"}`, 9)
	f.Add(`{"_class_name":"DDPMScheduler","variance_type":"learned_range","thresholding":true,"sample_max_value":null}`, 3)
	f.Fuzz(func(t *testing.T, data string, steps int) {
		c, err := Parse([]byte(data))
		if err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("error %v doesn't wrap ErrConfig", err)
			}
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(again); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v becomes %+v when written and read, error %v", c, got, err)
		}
		for _, name := range Names() {
			with, err := c.With(name)
			if err != nil {
				continue
			}
			s, err := New(with, steps)
			if err != nil {
				continue
			}
			x, out := []float32{1}, []float32{0.5, 0.1}
			for step := range s.Timesteps() {
				s.ScaleModelInput(out, x, step)
				s.Step(step, out, x, func(dst []float32) { clear(dst) })
			}
			s.AddNoise(x, x, out, 0)
		}
	})
}
