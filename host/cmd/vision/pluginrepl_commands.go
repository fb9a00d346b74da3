package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

func (r *repl) describe() error {
	return r.call(func(ctx context.Context) error {
		d, _, err := r.process.Client().Describe(ctx)
		if err != nil {
			return err
		}
		return printDescription(d)
	})
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

func (r *repl) configure(args []string) error {
	given, err := pairs(args)
	if err != nil {
		return err
	}
	for _, pair := range given {
		if _, known := r.described.Config.Lookup(pair[0]); !known {
			return fmt.Errorf("%s is no configuration value; there are %s", pair[0], strings.Join(r.described.Config.Names(), ", "))
		}
	}
	merged := maps.Clone(r.given)
	for _, pair := range given {
		merged[pair[0]] = pair[1]
	}
	values, err := r.values(merged)
	if err != nil {
		return err
	}
	r.given = merged
	for _, p := range r.described.Config {
		path := values.String(p.Name)
		if p.Format == schema.FormatPath && path != "" && !slices.Contains(r.readable, path) && r.block.Sandbox.Files {
			return fmt.Errorf("%s is noted, but the process that runs may not read it; `restart`, then `configure`", path)
		}
	}
	return r.call(func(ctx context.Context) error {
		d, err := r.process.Client().Configure(ctx, sdk.Config{Values: values, Device: r.placed()})
		if err != nil {
			return err
		}
		r.configured = d
		r.say("configured for %s (%s)", r.device.Name, r.device.Kind)
		for _, note := range d.Notes {
			r.say("found: %s", note)
		}
		return nil
	})
}

func (r *repl) load() error {
	began := time.Now()
	client := r.process.Client()
	r.begin("the loading", func(ctx context.Context) error {
		err := client.Load(ctx, func(fraction float64, stage string) { r.say("%3.0f %% %s", 100*fraction, stage) })
		if err == nil {
			r.say("loaded in %s", time.Since(began).Round(time.Millisecond))
		}
		return err
	})
	return nil
}

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
	client := r.process.Client()
	r.begin("request "+request.ID, func(ctx context.Context) error {
		result, err := client.Infer(ctx, d, request, wire.Sink{Step: func(done, total int) {
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
	return nil
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

// answerTime is how long health may take. It decides nothing: the process is left as it is.
const answerTime = 5 * time.Second

func (r *repl) health() error {
	return r.call(func(ctx context.Context) error {
		asked, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		h, err := r.process.Client().Health(asked)
		if errors.Is(err, sdk.ErrDeadline) {
			return fmt.Errorf("no answer within %s: the process hangs, or a debugger holds it; it is left as it is", answerTime)
		}
		if err == nil {
			r.say("%s, %s, %d under way %s", h.State, config.FormatSize(h.MemoryBytes), len(h.Active), strings.Join(h.Active, " "))
		}
		return err
	})
}

func (r *repl) drain() error {
	return r.call(func(ctx context.Context) error {
		err := r.process.Client().Drain(ctx)
		if err == nil {
			r.say("drained")
		}
		return err
	})
}

func (r *repl) shutdown() error {
	err := r.call(func(ctx context.Context) error {
		err := r.process.Client().Shutdown(ctx)
		if err == nil {
			r.process.Stop(ctx)
		}
		return err
	})
	if err == nil {
		r.abandon()
		r.tellEnd()
	}
	return err
}

func (r *repl) logs(args []string) error {
	n := 20
	if len(args) > 0 {
		var err error
		if n, err = strconv.Atoi(args[0]); err != nil || n < 1 || len(args) > 1 {
			return errors.New("logs takes a number of lines, such as logs 50")
		}
	}
	lines := r.process.Tail()
	for _, line := range lines[max(0, len(lines)-n):] {
		r.say("%s", line)
	}
	return nil
}
