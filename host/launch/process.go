package launch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/vision19/vision/sdk/wire"
)

// process is go-plugin's runner.Runner over a process of ours.
type process struct {
	spec  Spec
	slots *wire.Slots
	dir   string // go-plugin's socket folder inside spec.SocketDir
	cert  string // the host's certificate, which the plugin demands
	ring  *Ring
	lines *lineWriter // what the plugin prints anywhere, into ring and log

	cmd            *exec.Cmd
	cage           *cage
	stdout, stderr *io.PipeReader // what go-plugin reads: the handshake line, and nothing

	mu      sync.Mutex
	started bool
	doomed  bool // killed, or to be killed as soon as it has been started
	reaped  bool
	status  string
	noRAM   bool // the kernel has killed it for its memory
	done    chan struct{}
}

func newProcess(spec Spec, slots *wire.Slots) *process {
	ring := NewRing(ringLines)
	p := &process{spec: spec, slots: slots, ring: ring, done: make(chan struct{})}
	lines := func(slog.Level, string) {}
	if spec.Lines != nil {
		lines = func(level slog.Level, text string) { spec.Lines(p.pid(), level, text) }
	}
	p.lines = newLineWriter(ring, spec.Log, lines)
	return p
}

// prepare makes the command and its confinement, with go-plugin's handshake variables and its socket folder.
func (p *process) prepare(handshake []string, dir string) (err error) {
	p.dir = dir
	p.cmd = exec.Command(p.spec.Binary)
	p.cmd.Env = p.environment(handshake)
	p.cmd.Dir = p.spec.ScratchDir
	if p.slots != nil {
		p.cmd.ExtraFiles = []*os.File{p.slots.File()}
	}
	if p.cage, err = newCage(p.spec, dir, p.cmd.Env); err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	return nil
}

// drainTime is how long output is read after the process has ended: a child of it may hold the pipes for ever.
const drainTime = 500 * time.Millisecond

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		outRead.Close()
		outWrite.Close()
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	p.cmd.Stdout, p.cmd.Stderr = outWrite, errWrite
	var handshake, silence *io.PipeWriter
	p.stdout, handshake = io.Pipe()
	p.stderr, silence = io.Pipe()
	result := make(chan error)
	// The kernel's death signal goes by thread: it fires when the thread that started the child ends. So one goroutine
	// holds its thread from the start to the end of the process.
	go lockedThread(func() {
		err := p.begin()
		outWrite.Close()
		errWrite.Close()
		result <- err
		if err == nil {
			p.attend(outRead, errRead, handshake, silence)
		}
	})
	if err := <-result; err != nil {
		outRead.Close()
		errRead.Close()
		p.mu.Lock()
		p.status = err.Error()
		p.mu.Unlock()
		close(p.done)
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	return nil
}

// begin starts the process and returns when it is confined and runs the plugin's binary, or has ended without.
func (p *process) begin() error {
	err := p.cage.start(p.cmd)
	if err == nil {
		p.mu.Lock()
		p.started = true
		late := p.doomed
		p.mu.Unlock()
		if late {
			p.killGroup()
		}
		if err = p.cage.enter(); err != nil {
			p.killGroup()
			_ = reap(p.cmd, p.ended)
		}
	}
	if err != nil {
		p.cage.close()
	}
	return err
}

// ended kills what the process has left behind, and then its id is nobody's.
func (p *process) ended() {
	p.killGroup()
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
}

// attend reads the output and waits for the end.
func (p *process) attend(out, errs *os.File, handshake, silence *io.PipeWriter) {
	var readers sync.WaitGroup
	readers.Go(func() { p.readStdout(out, handshake) })
	readers.Go(func() { _, _ = io.Copy(p.lines, errs) })
	err := reap(p.cmd, p.ended)
	deadline := time.Now().Add(drainTime)
	_ = out.SetReadDeadline(deadline)
	_ = errs.SetReadDeadline(deadline)
	readers.Wait()
	out.Close()
	errs.Close()
	p.lines.flush()
	noRAM := p.cage.close()
	p.mu.Lock()
	p.status, p.noRAM = p.cmd.ProcessState.String(), noRAM
	if err != nil && p.cmd.ProcessState == nil {
		p.status = err.Error()
	}
	if noRAM {
		p.status += killedForMemory(p.spec.Sandbox.memoryLimit())
	}
	p.mu.Unlock()
	close(p.done)
	handshake.Close()
	silence.Close()
}

func killedForMemory(limit int64) string {
	return fmt.Sprintf(", killed by the kernel for memory: it took more than %d MiB", limit>>20)
}

var handshakeLine = regexp.MustCompile(`^\d+\|\d+\|(unix|tcp)\|[^|]+\|`)

// readStdout passes the handshake line on and makes log lines of everything else: a plugin that was not built with our SDK may
// print there before and after.
func (p *process) readStdout(out *os.File, handshake *io.PipeWriter) {
	in := bufio.NewReaderSize(out, maxLine)
	found := false
	for {
		line, err := in.ReadSlice('\n')
		if !found && handshakeLine.Match(line) {
			found = true
			_, _ = handshake.Write(line) // fails only when go-plugin has given up
		} else if len(line) > 0 {
			_, _ = p.lines.Write(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			handshake.Close()
			return
		}
	}
}

// Wait implements runner.Runner.
func (p *process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill implements runner.Runner.
func (p *process) Kill(context.Context) error {
	p.killGroup()
	return nil
}

// killGroup kills the process and whatever it has started in its group; one that is only about to be started is killed then.
func (p *process) killGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doomed = true
	if p.started && !p.reaped {
		p.cage.kill(p.cmd.Process.Pid)
	}
}

func (p *process) signal(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started && !p.reaped {
		_ = p.cmd.Process.Signal(s)
	}
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) exit() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

func (p *process) outOfMemory() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.noRAM
}

// Diagnose implements runner.Runner: explain says it better.
func (p *process) Diagnose(context.Context) string { return "" }

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner. go-plugin gets nothing to read there: a line such as {"@message": 5} makes it panic.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name implements runner.Runner.
func (p *process) Name() string { return p.spec.Name }

// ID implements runner.Runner.
func (p *process) ID() string {
	if pid := p.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

// PluginToHost implements runner.Runner: both see the same files.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
