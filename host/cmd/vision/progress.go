package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
)

// progress shows denoising steps on stderr: a bar on a terminal, plain lines in a pipe.
type progress struct {
	name      string
	container *mpb.Progress
	bar       *mpb.Bar
}

func newProgress(name string) *progress {
	p := &progress{name: name}
	// Some terminals do not tell their size; a bar needs one.
	if width, height, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width >= 40 && height > 0 {
		p.container = mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(60))
	}
	return p
}

func (p *progress) step(done, total int) {
	if p.container == nil {
		fmt.Fprintf(os.Stderr, "%s: step %d of %d\n", p.name, done, total)
		return
	}
	if p.bar == nil {
		p.bar = p.container.AddBar(int64(total),
			mpb.PrependDecorators(decor.Name(p.name+" ")),
			mpb.AppendDecorators(decor.CountersNoUnit("step %d of %d"), decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 8})))
	}
	p.bar.SetCurrent(int64(done))
}

// loading says how far the loading of a plugin's model is.
func loading(p api.Plugin) string {
	return fmt.Sprintf("%s %.0f%% (%s)", p.State, 100*p.Progress, p.Stage)
}

// loadingPoll is how often a host is asked how far its plugin is; a model that loads faster needs no progress.
const loadingPoll = 200 * time.Millisecond

// watchLoading prints every stage of the loading of a host's plugins, until it is stopped.
func watchLoading(h *host.Host) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(loadingPoll)
		defer ticker.Stop()
		last := ""
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			for _, p := range h.Plugins() {
				if line := p.Name + ": " + loading(p); p.Stage != "" && line != last {
					fmt.Fprintln(os.Stderr, line)
					last = line
				}
			}
		}
	}()
	return func() {
		close(over)
		<-done
	}
}

// finish leaves the bar as it is.
func (p *progress) finish() {
	if p.bar != nil && !p.bar.Completed() {
		p.bar.Abort(false)
	}
	if p.container != nil {
		p.container.Wait()
	}
}
