package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/wire"
)

func (r *repl) infer(args []string) error {
	d := r.configured
	if d.Endpoint == "" {
		d = r.described // the plugin itself says what it lacks
	}
	request, raw, err := readRequest(d, args)
	if err != nil {
		return err
	}
	if request, err = d.CheckRequest(request, raw); err != nil {
		return err
	}
	for _, p := range d.Parameters {
		if _, given := request.Values[p.Name]; p.Random && !given {
			request.Values[p.Name] = int64(*p.Min) + int64(rand.Uint64N(uint64(*p.Max-*p.Min)+1))
		}
	}
	r.requests++
	request.ID = strconv.Itoa(r.requests)
	began, shown, steps := time.Now(), time.Time{}, 0
	client, accepted := r.process.Client(), make(chan struct{}, 1)
	accept := func() {
		select {
		case accepted <- struct{}{}:
		default:
		}
	}
	r.begin("request "+request.ID, func(ctx context.Context) error {
		result, err := client.Infer(ctx, d, request, wire.Sink{Accepted: accept, Step: func(done, total int) {
			if steps = total; done == total || time.Since(shown) > stepTime {
				shown = time.Now()
				r.say("step %d of %d", done, total)
			}
		}}, nil)
		if err != nil {
			return err
		}
		took := time.Since(began).Round(100 * time.Microsecond)
		return r.show(request, result, fmt.Sprintf("%s, %d steps reported", took, steps))
	})
	return r.awaitAcceptance(accepted)
}

// acceptTime is how long the next command waits for a request to reach the plugin, so that it finds it there. A process that stands still
// takes none.
const acceptTime = time.Second

func (r *repl) awaitAcceptance(accepted <-chan struct{}) error {
	b := r.running
	return r.call(func(ctx context.Context) error {
		select {
		case <-accepted:
		case <-b.done:
		case <-time.After(acceptTime):
		case <-ctx.Done():
			b.cancel()
		}
		return nil
	})
}

// stepTime is how often steps are shown; a thousand of them are no use to anybody.
const stepTime = 200 * time.Millisecond

// readRequest reads inputs and parameters. What is wrong with them d.CheckRequest says.
func readRequest(d sdk.Description, args []string) (sdk.Request, map[string]any, error) {
	r, raw := sdk.Request{Texts: map[string][]string{}, Images: map[string][]sdk.Image{}}, map[string]any{}
	given, err := pairs(args)
	if err != nil {
		return r, nil, err
	}
	for _, pair := range given {
		name, value := pair[0], pair[1]
		in, isInput := d.Input(name)
		if !isInput {
			p, _ := d.Parameters.Lookup(name)
			raw[name] = p.Parse(value)
			continue
		}
		path, isFile := strings.CutPrefix(value, "@")
		if isFile && !strings.HasPrefix(path, "@") {
			data, err := readInput(context.Background(), path)
			if err != nil {
				return r, nil, fmt.Errorf("%s: %w", name, err)
			}
			value = string(data)
		} else if isFile {
			value = path
		}
		if in.Kind == sdk.TextInput {
			r.Texts[name] = append(r.Texts[name], value)
			continue
		}
		if !isFile {
			return r, nil, fmt.Errorf("%s is an image: write %s=@FILE", name, name)
		}
		header, err := imaging.Inspect([]byte(value))
		if err != nil {
			return r, nil, fmt.Errorf("%s is %w", name, err)
		}
		r.Images[name] = append(r.Images[name], sdk.Image{MediaType: header.MediaType, Width: header.Width, Height: header.Height, Data: []byte(value)})
	}
	return r, raw, nil
}

// show prints a result, and saves its picture in the working folder.
func (r *repl) show(request sdk.Request, result sdk.Result, how string) error {
	for _, warning := range result.Warnings {
		r.say("warning: %s", warning)
	}
	for _, e := range result.Embeddings {
		r.say("a vector of %d numbers, beginning with %.4f", len(e), e[:min(4, len(e))])
	}
	if result.Unsafe {
		r.say("the plugin's safety check refused the picture")
	}
	for _, image := range result.Images {
		data := image.Data
		if image.MediaType == sdk.RawRGB {
			var err error
			if data, err = imaging.EncodePNG(data, image.Width, image.Height, 3); err != nil {
				return err
			}
		}
		path := fmt.Sprintf("%s-%s.png", r.name, request.ID)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
		r.say("saved %s, %d x %d px", absolute(path), image.Width, image.Height)
	}
	seed := ""
	if value, ok := request.Values["seed"]; ok {
		seed = fmt.Sprintf(", seed %v", value)
	}
	r.say("request %s took %s%s", request.ID, how, seed)
	return nil
}

// pairs reads NAME=VALUE arguments.
func pairs(args []string) ([][2]string, error) {
	var out [][2]string
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q: write NAME=VALUE", arg)
		}
		out = append(out, [2]string{name, value})
	}
	return out, nil
}
