package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vision19/vision/examples/bench/workload"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/sdk/imaging"
)

// drawn is an RGB picture that is neither flat nor noise.
func drawn(side int) []byte {
	rgb := make([]byte, 0, side*side*3)
	for y := range side {
		for x := range side {
			fx, fy := float64(x)/float64(side), float64(y)/float64(side)
			for k := range 3 {
				v := 0.5 + 0.3*math.Sin(7*fx+float64(k)) + 0.2*math.Cos(11*fy*fx+float64(2*k)) + 0.02*math.Sin(float64(x*y+k))
				rgb = append(rgb, byte(255*min(max(v, 0), 1)))
			}
		}
	}
	return rgb
}

// pngOverStdlib compares our PNG writer with image/png on a picture of 512 x 512 px.
func pngOverStdlib(context.Context) ([]row, error) {
	const side = 512
	rgb := drawn(side)
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(img.Pix[4*i:], rgb[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	var ours, theirs []time.Duration
	for range 15 {
		began := time.Now()
		if _, err := imaging.EncodePNG(rgb, side, side, 3); err != nil {
			return nil, err
		}
		ours = append(ours, time.Since(began))
		began = time.Now()
		if err := png.Encode(&bytes.Buffer{}, img); err != nil {
			return nil, err
		}
		theirs = append(theirs, time.Since(began))
	}
	return []row{below("png_over_stdlib", ratio(median(ours), median(theirs)), 0.2, "image/png, 512x512")}, nil
}

// pluginOverRaw compares a request through the host with the same model run in this process: the input stays where the model is, the
// 512 x 512 RGB picture comes back.
func pluginOverRaw(ctx context.Context) ([]row, error) {
	var rows []row
	for _, c := range []struct {
		name             string
		products, rounds int
		bar              float64
	}{{"plugin_over_raw_4ms", 1, 300, 1.25}, {"plugin_over_raw_100ms", 40, 40, 1.05}} {
		model := filepath.Join(work, c.name+".onnx")
		if err := workload.Write(model, c.products); err != nil {
			return nil, err
		}
		raw, err := workload.Load(model)
		if err != nil {
			return nil, err
		}
		h, err := start(ctx, fmt.Sprintf("plugin \"bench\" {\n  binary = \"bench\"\n  config {\n    model = %q\n  }\n}\n", c.name+".onnx"))
		if err != nil {
			return nil, err
		}
		var through, direct []time.Duration
		for i := range c.rounds {
			began := time.Now()
			if _, err := h.Do(ctx, api.Job{Target: "bench"}, api.Events{}); err != nil {
				return nil, err
			}
			middle := time.Now()
			if _, err := raw.Run(ctx); err != nil {
				return nil, err
			}
			if i >= c.rounds/10 { // the first ones warm up
				through, direct = append(through, middle.Sub(began)), append(direct, time.Since(middle))
			}
		}
		h.Close(ctx)
		peer := fmt.Sprintf("session.Run in process, median %.1f ms", float64(median(direct).Microseconds())/1000)
		rows = append(rows, below(c.name, ratio(median(through), median(direct)), c.bar, peer))
	}
	return rows, nil
}

// recoverOverColdStart compares the time from kill -9 of a loaded plugin to the next good answer with a start from nothing.
func recoverOverColdStart(ctx context.Context) ([]row, error) {
	const tiny = `plugin "text-to-image" {
  binary = "../plugins/text-to-image"
  config {
    model = "../../examples/models/tiny"
  }
}
`
	job := api.Job{Target: "text-to-image", Texts: map[string][]string{"prompt": {"a red circle"}}, Parameters: map[string]any{"seed": 1}}
	var cold, recovered []time.Duration
	for range 7 {
		began := time.Now()
		h, err := start(ctx, tiny)
		if err != nil {
			return nil, err
		}
		if _, err := h.Do(ctx, job, api.Events{}); err != nil {
			return nil, err
		}
		cold = append(cold, time.Since(began))
		began = time.Now()
		if err := syscall.Kill(h.Plugins()[0].PID, syscall.SIGKILL); err != nil {
			return nil, err
		}
		for {
			if _, err := h.Do(ctx, job, api.Events{}); err == nil {
				break
			} else if time.Since(began) > time.Minute {
				return nil, err
			}
		}
		recovered = append(recovered, time.Since(began))
		h.Close(ctx)
	}
	return []row{
		below("recover_over_coldstart", ratio(median(recovered), median(cold)), 1.5, "host start to first answer"),
		{Name: "start_to_first_answer", Value: float64(median(cold).Microseconds()) / 1000, Unit: "ms", Holds: true, Peer: "nothing"},
	}, nil
}
