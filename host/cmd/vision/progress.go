package main

import (
	"fmt"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
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

// finish leaves the bar as it is.
func (p *progress) finish() {
	if p.bar != nil && !p.bar.Completed() {
		p.bar.Abort(false)
	}
	if p.container != nil {
		p.container.Wait()
	}
}
