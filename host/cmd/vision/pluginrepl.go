package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
)

func (a *app) pluginReplCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "repl PLUGIN",
		Short: "Work on one plugin process by hand: a name from the configuration, or a binary's path",
		Long: `Starts one plugin process as a host would, and does with it what is typed, or piped in, line by line.
Nothing watches the process: it may stand still in a debugger for as long as you like.

` + replHelp,
		Args: exactArgs(1, "PLUGIN [--config FILE.hcl]"),
		RunE: func(c *cobra.Command, args []string) error {
			level := &slog.LevelVar{}
			if a.level != "" {
				if err := level.UnmarshalText([]byte(a.level)); err != nil {
					return &usageError{errors.New("--log-level is debug, info, warn or error")}
				}
			}
			s, err := a.openSubject(c.Context(), args[0])
			if err != nil {
				return err
			}
			defer s.close()
			r := &repl{subject: s, console: openConsole(s.name + "> "), given: map[string]string{}}
			defer r.console.close()
			s.log = slog.New(slog.NewTextHandler(r.console, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime}))
			return r.run()
		},
	}
}

// withoutTime leaves the time out of the plugin's lines: they are shown as they come.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// repl is a session with one plugin process at a time. run's goroutine owns it; only a request runs beside it.
type repl struct {
	*subject
	console *console
	given   map[string]string // configuration values that were typed

	process    *launch.Process
	told       bool            // that the process has ended
	configured sdk.Description // the one that holds; without an endpoint before configure
	requests   int
	running    *background // nil when nothing runs in the background
	pressed    bool        // Ctrl-C was the last that was typed
	over       bool
}

// background is a request, or a loading, that runs beside the session.
type background struct {
	what   string
	cancel context.CancelFunc
	done   chan struct{}
}

// run is the session.
func (r *repl) run() error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.stop()
	for asked := false; !r.over; {
		if !asked {
			r.console.want()
			asked = true
		}
		ended := r.process.Done()
		if r.told {
			ended = nil
		}
		select {
		case line, ok := <-r.console.lines:
			asked, r.pressed = false, false
			if !ok {
				line = "quit"
			}
			r.report(r.do(line))
		case <-ended:
			r.tellEnd()
		case signal := <-r.console.interrupts:
			r.interrupt(signal)
		}
	}
	return nil
}

// say prints one line.
func (r *repl) say(format string, args ...any) { fmt.Fprintf(r.console, format+"\n", args...) }

func (r *repl) report(err error) {
	if err == nil {
		return
	}
	e := sdk.AsError(err)
	text := e.Error()
	if e.Param != "" && !strings.HasPrefix(text, e.Param) {
		text = e.Param + " " + text
	}
	r.say("error: %s", text)
}

// do runs one line.
func (r *repl) do(line string) error {
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	name, args := words[0], words[1:]
	c, known := replCommands[name]
	if !known {
		return fmt.Errorf("unknown command %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(replCommands)), ", "))
	}
	if len(args) > 0 && !c.args {
		return fmt.Errorf("%s takes nothing more", name)
	}
	if c.waits {
		if err := r.wait(); err != nil || r.pressed { // an interrupt is meant for what was typed, too
			return err
		}
	}
	if !c.process {
		return c.do(r, args)
	}
	select {
	case <-r.process.Done():
		return fmt.Errorf("the process has ended: %s; `restart` starts another", r.process.Exit())
	default:
		return explained(r.process, c.do(r, args))
	}
}

// call runs f and lets an interrupt end its context.
func (r *repl) call(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case signal := <-r.console.interrupts:
			r.press(signal)
			cancel()
		}
	}
}

// explained adds to an error of a process that has ended how it did, and its last lines.
func explained(process *launch.Process, err error) error {
	if !errors.Is(err, sdk.ErrUnavailable) {
		return err
	}
	select {
	case <-process.Done():
		return process.Explain(err)
	case <-time.After(endTime):
		return err
	}
}

// endTime is how long a process may be on its way out after its connection has broken.
const endTime = time.Second

func (r *repl) tellEnd() {
	r.told = true
	r.say("the process has ended: %s; `restart` starts another", r.process.Exit())
}

// press counts interrupts: the second in a row, or a request to terminate, ends the session.
func (r *repl) press(signal os.Signal) {
	r.over = r.over || r.pressed || signal != os.Interrupt
	r.pressed = true
}

// interrupt cancels what runs in the background.
func (r *repl) interrupt(signal os.Signal) {
	r.press(signal)
	if r.running != nil {
		r.running.cancel()
	}
	if !r.over {
		r.say("once more ends the session")
	}
}

// begin runs f in the background; it prints what comes of it.
func (r *repl) begin(what string, f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{what: what, cancel: cancel, done: make(chan struct{})}
	process := r.process
	r.running = b
	go func() {
		defer close(b.done)
		defer cancel()
		r.report(explained(process, f(ctx)))
	}()
}

// wait returns when nothing runs in the background.
func (r *repl) wait() error {
	b := r.running
	if b == nil {
		return nil
	}
	r.running = nil
	return r.call(func(ctx context.Context) error {
		select {
		case <-b.done:
		case <-ctx.Done():
			b.cancel()
			<-b.done
		}
		return nil
	})
}

// start launches a process. Without one there is none, or the one before, which has ended.
func (r *repl) start() error {
	r.configured = sdk.Description{}
	err := r.call(func(ctx context.Context) error {
		p, err := r.launch(ctx, r.given)
		if err == nil {
			r.process, r.told = p, false
		}
		return err
	})
	if err != nil {
		return err
	}
	d := r.described
	r.say("%s %s, endpoint %s, is process %d; a debugger attaches with: dlv attach %d", r.name, d.Version, d.Endpoint, r.process.PID(), r.process.PID())
	box := r.process.Sandbox()
	r.say("sandbox: files %s, network %s, memory %s", box.Files, box.Network, box.Memory)
	r.say("configure, load and infer come next; help lists the rest")
	return nil
}

// stopTime is how long a process may take to close when the session ends; a debugger may hold it for ever.
const stopTime = 5 * time.Second

func (r *repl) stop() {
	r.abandon()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	r.process.Stop(ctx)
}

// restart gives the old process no time: it may be hanging.
func (r *repl) restart() error {
	r.abandon()
	r.process.Kill()
	r.told = true
	return r.start()
}

// abandon cancels what runs in the background, which returns at once whatever the process does.
func (r *repl) abandon() {
	if r.running != nil {
		r.running.cancel()
		<-r.running.done
		r.running = nil
	}
}
