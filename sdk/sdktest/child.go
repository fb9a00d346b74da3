package sdktest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/vision19/vision/sdk/wire"
)

// child is one process of a plugin binary.
type child struct {
	dir   string // of its socket and its working folder
	cmd   *exec.Cmd
	slots *wire.Slots
	tail  tail

	handshake *io.PipeReader // what go-plugin reads: the handshake line
	silence   *io.PipeReader // and nothing: a line that looks like JSON but is none makes it panic

	plugin *plugin.Client
	client *wire.Client

	mu    sync.Mutex
	alive bool // its id, and its group's, are its own
	ended bool // it has been killed, perhaps before it was started
	once  sync.Once
	done  chan struct{} // closed when it has ended and its output has been read
}

func newChild(path, folder string) (*child, error) {
	dir, err := os.MkdirTemp("", "vt") // short: the name of a socket has at most 103 bytes
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	work := filepath.Join(dir, folder)
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	c := &child{dir: dir, cmd: exec.Command(path), done: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env = work, append(os.Environ(), fmt.Sprintf("%s=%d", wire.EnvParent, os.Getpid()))
	if c.slots, err = wire.NewSlots(); err == nil { // results travel in chunks where there are none
		c.cmd.ExtraFiles = []*os.File{c.slots.File()}
		c.cmd.Env = append(c.cmd.Env, wire.EnvSlotsFD+"=3", fmt.Sprintf("%s=%d", wire.EnvSlotsSize, c.slots.Size()))
	}
	ownGroup(c.cmd)
	return c, nil
}

// run starts the process, and what reads its output and waits for its end.
func (c *child) run() error {
	out, outWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	errs, errsWrite, err := os.Pipe()
	if err != nil {
		return errors.Join(err, out.Close(), outWrite.Close())
	}
	c.cmd.Stdout, c.cmd.Stderr = outWrite, errsWrite
	var handshake, silence *io.PipeWriter
	c.handshake, handshake = io.Pipe()
	c.silence, silence = io.Pipe()
	c.mu.Lock()
	err = errors.New("ended before its start")
	if !c.ended {
		err = c.cmd.Start()
	}
	c.alive = err == nil
	c.mu.Unlock()
	outWrite.Close()
	errsWrite.Close()
	if err != nil {
		close(c.done)
		return errors.Join(err, out.Close(), errs.Close())
	}
	var readers sync.WaitGroup
	readers.Go(func() { c.readStdout(out, handshake) })
	readers.Go(func() { c.tail.read(errs) })
	go func() {
		_ = c.cmd.Wait() // ProcessState says it
		c.killGroup()    // what it has started and left behind
		c.mu.Lock()
		c.alive = false
		c.mu.Unlock()
		deadline := time.Now().Add(drainTime)
		_ = out.SetReadDeadline(deadline)
		_ = errs.SetReadDeadline(deadline)
		readers.Wait()
		out.Close()
		errs.Close()
		handshake.Close()
		silence.Close()
		close(c.done)
	}()
	return nil
}

// drainTime is how long output is read after the end: a child outside the group may hold the pipes for ever.
const drainTime = 500 * time.Millisecond

// readStdout passes the handshake line on. Everything else that is printed there is kept with what goes to stderr.
func (c *child) readStdout(out io.Reader, handshake *io.PipeWriter) {
	defer handshake.Close()
	in := bufio.NewReaderSize(out, maxLine)
	for found := false; ; {
		line, err := in.ReadSlice('\n')
		if !found && handshakeLine.Match(line) {
			found = true
			_, _ = handshake.Write(line) // fails only when go-plugin has given up
		} else if len(line) > 0 {
			c.tail.add(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// Client implements Process.
func (c *child) Client() *wire.Client { return c.client }

// PID implements Process.
func (c *child) PID() int {
	if c.cmd.Process == nil { // it has not started
		return 0
	}
	return c.cmd.Process.Pid
}

// Done implements Process.
func (c *child) Done() <-chan struct{} { return c.done }

// Tail implements Process.
func (c *child) Tail() []string { return c.tail.lines() }

// Exit says how the process ended; after Done.
func (c *child) Exit() string { return c.cmd.ProcessState.String() }

// Stop implements Process.
func (c *child) Stop(ctx context.Context) {
	if c.client.Drain(ctx) == nil && c.client.Shutdown(ctx) == nil {
		go c.plugin.Kill() // asks the process to exit, and has no deadline of its own
		select {
		case <-c.done:
		case <-time.After(exitTime):
		}
	}
	c.Kill()
}

// Kill implements Process: it ends the process group and removes what is left.
func (c *child) Kill() {
	c.once.Do(func() {
		if c.killGroup() {
			<-c.done
		}
		if c.plugin != nil {
			c.plugin.Kill()
		}
		_ = c.slots.Close()
		_ = os.RemoveAll(c.dir)
	})
}

// killGroup ends the process and whatever it has started in its group, and reports whether there has been one.
func (c *child) killGroup() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.alive {
		killGroup(c.cmd)
	}
	return c.cmd.Process != nil
}

// tail keeps the last lines of an output.
type tail struct {
	mu   sync.Mutex
	kept []string
}

// The bounds of what is kept: enough for a panic's head, not for a flood.
const (
	maxTail = 200
	maxLine = 4096 // bytes; a longer line is kept as several
)

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, string(bytes.TrimRight(line, "\r\n")))
	t.kept = t.kept[max(len(t.kept)-maxTail, 0):]
}

func (t *tail) read(in io.Reader) {
	r := bufio.NewReaderSize(in, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			t.add(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.kept...)
}
