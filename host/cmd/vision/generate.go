package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk"
)

// generated is the JSON answer of `vision generate --json`.
type generated struct {
	Endpoint   string      `json:"endpoint"`
	Output     string      `json:"output,omitempty"`
	Embedding  []float32   `json:"embedding,omitempty"`  // of the only input
	Embeddings [][]float32 `json:"embeddings,omitempty"` // of several inputs, in their order
	Unsafe     bool        `json:"unsafe,omitempty"`
	Seed       *int64      `json:"seed,omitempty"`
	Width      int         `json:"width,omitempty"`
	Height     int         `json:"height,omitempty"`
	Steps      int64       `json:"steps,omitempty"`
	Device     string      `json:"device"`
	MS         float64     `json:"ms"`
	QueueMS    float64     `json:"queue_ms"`
	Warnings   []string    `json:"warnings,omitempty"`
}

// request is what the flags of generate say.
type request struct {
	prompt, output string
	seed           uint32
	set, input     []string
	timeout        time.Duration
}

func (a *app) generateCommand() *cobra.Command {
	r := &request{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "generate ENDPOINT",
		Short: "Ask an endpoint once: the running host of --state, else one that is started for the call",
		Args:  exactArgs(1, "ENDPOINT [--prompt TEXT] [--seed N] [--output FILE] [--set NAME=VALUE] [--input NAME=FILE]"),
		RunE: func(c *cobra.Command, args []string) error {
			if r.timeout < time.Second || r.timeout > api.MaxDeadline {
				return &usageError{fmt.Errorf("--timeout %s: from 1s to %s", r.timeout, api.MaxDeadline)}
			}
			fields, err := r.fields(c)
			if err != nil {
				return err
			}
			if dir := filepath.Dir(r.output); r.output != "" { // before the work, not after it
				if info, err := os.Stat(dir); err != nil || !info.IsDir() {
					return &usageError{fmt.Errorf("--output %s: there is no folder %s", r.output, dir)}
				}
				if info, err := os.Stat(r.output); err == nil && info.IsDir() {
					return &usageError{fmt.Errorf("--output %s: is a folder; name a file in it", r.output)}
				}
			}
			return a.generate(c.Context(), args[0], fields, r)
		},
	})
	flags := c.Flags()
	flags.StringVar(&r.prompt, "prompt", "", "what to paint, `TEXT`")
	flags.Uint32Var(&r.seed, "seed", 0, "`N` that makes the picture repeatable; random unless given")
	flags.StringVar(&r.output, "output", "", "`FILE` for the picture (default ENDPOINT-SEED.png)")
	flags.StringArrayVar(&r.set, "set", nil, "a parameter, `NAME=VALUE`, repeatable")
	flags.StringArrayVar(&r.input, "input", nil, "an image, or a text with a file's content, `NAME=FILE`, repeatable")
	flags.DurationVar(&r.timeout, "timeout", api.DefaultDeadline, "`TIME` for the answer, 1s to "+api.MaxDeadline.String())
	return c
}

// fields are the request's members, as the flags give them.
func (r *request) fields(c *cobra.Command) ([]api.Field, error) {
	var fields []api.Field
	if c.Flags().Changed("prompt") {
		fields = append(fields, api.Field{Name: "prompt", Value: []byte(r.prompt)})
	}
	if c.Flags().Changed("seed") {
		fields = append(fields, api.Field{Name: "seed", Value: []byte(strconv.FormatUint(uint64(r.seed), 10))})
	}
	for _, pair := range r.set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, &usageError{fmt.Errorf("--set %s: a parameter is NAME=VALUE", pair)}
		}
		fields = append(fields, api.Field{Name: name, Value: []byte(value)})
	}
	for _, pair := range r.input {
		name, path, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, &usageError{fmt.Errorf("--input %s: an input is NAME=FILE", pair)}
		}
		data, err := readInput(c.Context(), path)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--input %s: %w", name, err)}
		}
		fields = append(fields, api.Field{Name: name, Value: data})
	}
	return fields, nil
}

// readInput reads a file of at most what a request may hold. It may be a pipe, which an interrupt need not wait for.
func readInput(ctx context.Context, path string) ([]byte, error) {
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		f, err := os.Open(path)
		if err != nil {
			done <- read{err: err}
			return
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, api.MaxBody+1))
		done <- read{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if len(r.data) > api.MaxBody {
			return nil, fmt.Errorf("%s has more than %d bytes, which is all that a request may have", path, api.MaxBody)
		}
		return r.data, r.err
	}
}

func (a *app) generate(ctx context.Context, target string, fields []api.Field, r *request) error {
	running, err := host.FindRunning(a.state)
	client := api.NewClient(running.Socket, running.Token)
	if errors.Is(err, os.ErrNotExist) {
		var stop func()
		if client, stop, err = a.hostForCall(ctx, target); err != nil {
			return err
		}
		defer stop()
	} else if err != nil {
		return err
	}
	bar := newProgress(target)
	reply, err := client.Infer(ctx, target, fields, r.timeout, func(p api.Progress) { bar.step(p.Done, p.Total) })
	bar.finish()
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		e := sdk.AsError(err)
		if e.Param != "" && !strings.HasPrefix(e.Message, e.Param) {
			err = fmt.Errorf("%s: %w", e.Param, err)
		}
		if e.Code == api.CodeNotFound && running.PID != 0 {
			err = fmt.Errorf("%w; asked was the running host, process %d of %s: stop it, or choose another with --state DIR", err, running.PID, a.state)
		}
		if e.Code == sdk.CodeInvalidInput || e.Code == api.CodeNotFound {
			return &usageError{err}
		}
		return err
	}
	return a.write(target, reply, r.output)
}

// hostForCall starts a host with the one plugin that is asked for.
func (a *app) hostForCall(ctx context.Context, target string) (client *api.Client, stop func(), err error) {
	log, err := a.logger(silent)
	if err != nil {
		return nil, nil, err
	}
	h, _, ok := a.open(ctx, a.files(nil), log, func(c *config.Config) { only(c, target) })
	stop = func() { closeHost(h) }
	defer func() {
		if err != nil {
			stop()
		}
	}()
	if !ok {
		return nil, stop, errShown
	}
	if err := h.StartOnly(target); err != nil {
		return nil, stop, &usageError{err}
	}
	fmt.Fprintf(os.Stderr, "starting %s\n", target)
	stopWatching := watchLoading(h)
	err = h.AwaitReady(ctx)
	stopWatching()
	if errors.Is(err, sdk.ErrInvalidInput) { // what is wrong is the configuration
		return nil, stop, &usageError{err}
	} else if err != nil {
		return nil, stop, err
	}
	socket, token, err := h.Control()
	return api.NewClient(socket, token), stop, err
}

// only leaves the plugin of a name, so that the others need neither be right nor fit. A target that is no plugin's name may be an endpoint's,
// which only the plugins can tell: then all stay.
func only(c *config.Config, target string) {
	if p, ok := c.Plugin(target); ok {
		c.Plugins = []config.Plugin{p}
	}
}

// extension is the file name's end for a media type; raw pixels are no file format.
func extension(mediaType string) string {
	if mediaType == sdk.PNG {
		return ".png"
	}
	return ".rgb"
}

// write stores the answer and prints where it is.
func (a *app) write(target string, reply api.Reply, output string) error {
	out := generated{
		Endpoint: target, Unsafe: reply.Unsafe, Seed: reply.Seed, Width: reply.Width, Height: reply.Height, Steps: reply.Steps,
		Device: reply.Device, MS: reply.MS, QueueMS: reply.QueueMS, Warnings: reply.Warnings,
	}
	switch n := len(reply.Embeddings); {
	case n == 1:
		out.Embedding = reply.Embeddings[0]
	case n > 1:
		out.Embeddings = reply.Embeddings
	}
	if len(reply.Embeddings) > 0 && output != "" {
		data, err := json.Marshal(reply.Embeddings)
		if err != nil {
			return err
		}
		if err := os.WriteFile(output, data, 0o644); err != nil {
			return err
		}
		out.Output = absolute(output)
	}
	if len(reply.Image) > 0 {
		if output == "" {
			output = target
			if reply.Seed != nil {
				output = fmt.Sprintf("%s-%d", target, *reply.Seed)
			}
			output += extension(reply.MediaType)
		}
		if err := os.WriteFile(output, reply.Image, 0o644); err != nil {
			return err
		}
		out.Output = absolute(output)
	}
	for _, warning := range reply.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	switch {
	case a.json:
		return printJSON(os.Stdout, out)
	case out.Unsafe:
		return errors.New("the model's safety check refused the picture; another seed or prompt may give another")
	case out.Output != "":
		fmt.Println(out.Output)
		if out.Seed != nil {
			fmt.Fprintf(os.Stderr, "seed %d\n", *out.Seed)
		}
	default:
		return printJSON(os.Stdout, reply.Embeddings)
	}
	return nil
}

// absolute is the path that a person can copy from anywhere.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
