package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

const replHelp = `  describe                  what the plugin takes and answers
  configure [NAME=VALUE...]  configures it from its config block in plugins.hcl; a value given here is kept for later
  load                      loads the model
  infer [NAME=VALUE...]     asks once: inputs and parameters; NAME=@FILE for an input is a file's content. The next line need not
                            wait: cancel, health, drain and the like act on the request that runs. Pictures are saved here
  cancel                    cancels the request, or the loading, that runs; so does Ctrl-C, and twice ends the session
  wait                      waits for the request that runs; so do configure, load, infer and quit
  health                    asks for the plugin's state, memory and requests
  drain                     stops admission and waits for the request that runs
  shutdown                  cancels what runs, closes the endpoint and ends the process
  restart                   ends the process and starts another: of the binary as it is now
  logs [N]                  the last N lines that the plugin has printed, 20 unless said
  help                      this list
  quit                      ends the process and the session, as the end of the input does
A value with spaces is quoted: prompt="a red circle". A text that begins with @ is written @@.
`

// replCommand is one command: whether it takes arguments, waits for what runs, and needs a process that lives.
type replCommand struct {
	args, waits, process bool
	do                   func(r *repl, args []string) error
}

var replCommands = map[string]replCommand{
	"describe":  {process: true, do: func(r *repl, _ []string) error { return r.describe() }},
	"configure": {args: true, waits: true, process: true, do: (*repl).configure},
	"load":      {waits: true, process: true, do: func(r *repl, _ []string) error { return r.load() }},
	"infer":     {args: true, waits: true, process: true, do: (*repl).infer},
	"cancel":    {do: func(r *repl, _ []string) error { return r.cancel() }},
	"wait":      {waits: true, do: func(*repl, []string) error { return nil }},
	"health":    {process: true, do: func(r *repl, _ []string) error { return r.health() }},
	"drain":     {process: true, do: func(r *repl, _ []string) error { return r.drain() }},
	"shutdown":  {process: true, do: func(r *repl, _ []string) error { return r.shutdown() }},
	"restart":   {do: func(r *repl, _ []string) error { return r.restart() }},
	"logs":      {args: true, do: (*repl).logs},
	"help":      {do: func(r *repl, _ []string) error { r.say("%s", strings.TrimSuffix(replHelp, "\n")); return nil }},
	"quit":      {waits: true, do: func(r *repl, _ []string) error { r.over = true; return nil }},
}

func (r *repl) describe() error {
	return r.call(func(ctx context.Context) error {
		d, _, err := r.process.Client().Describe(ctx)
		if err != nil {
			return err
		}
		return printDescription(d)
	})
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

func (r *repl) cancel() error {
	if r.running == nil {
		return errors.New("nothing runs")
	}
	select {
	case <-r.running.done:
		return errors.New("nothing runs any more")
	default:
	}
	r.say("cancelling %s", r.running.what)
	r.running.cancel()
	return r.wait()
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
