// Package launch starts a plugin process safely and ends it for certain. go-plugin does the handshake and the
// connection; everything about the process itself is here: its environment, its
// confinement, its output, its death.
package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// Spec says what to start and how.
type Spec struct {
	Name       string        // for log lines and scratch folders
	Binary     string        // the exact file to execute
	SocketDir  string        // for the plugin's socket, mode 0700; see CheckSocketDir
	ScratchDir string        // the plugin's working folder, HOME and TMPDIR; must exist
	Env        []string      // beside the allow-list, NAME=value
	Timeout    time.Duration // until the handshake; 0 is DefaultTimeout
	Log        *slog.Logger  // the plugin's lines, with their own levels, at most maxLogRate a second
	Sandbox    Sandbox
	Source     string // the folder where the binary was found, or ""; readable, and in the plugin's environment as EnvSource

	// Lines is called with every line that the process prints, from several goroutines, one call after another; it must not block. Nil is nobody.
	Lines func(pid int, level slog.Level, text string)
}

// DefaultTimeout is the time until a plugin's handshake. It does not cover loading a model: the SDK answers at once, so a
// plugin that needs longer does work before sdk.Serve.
const DefaultTimeout = 10 * time.Second

// allowedEnv are the host's variables that a plugin may see: how to find libraries and devices, nothing that names a secret.
var allowedEnv = []string{
	"PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "ONNXRUNTIME_LIB",
	"CUDA_HOME", "CUDA_PATH", "CUDA_CACHE_PATH", "NVIDIA_VISIBLE_DEVICES", "VK_ICD_FILENAMES",
}

// Process is one running plugin process. It is never started again: a new one is made.
type Process struct {
	client *plugin.Client
	run    *process
	wire   *wire.Client
	slots  *wire.Slots
	close  sync.Once
}

// Start starts the plugin and returns when it has answered the handshake. ctx ends the start, not the process.
// The error carries the last lines that the plugin printed.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	if err := CheckSocketDir(spec.SocketDir); err != nil {
		return nil, err
	}
	memory, err := wire.NewSlots()
	if err != nil {
		spec.Log.Debug("results travel in chunks", "error", err)
	}
	security, certificate, err := clientTLS()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	run := newProcess(spec, memory)
	run.cert = certificate
	timeout := spec.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	p := &Process{run: run, slots: memory}
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Plugins(memory),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			return run, run.prepare(cmd.Env, dir)
		},
		TLSConfig:        security,
		SkipHostEnv:      true,
		StartTimeout:     timeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: spec.SocketDir},
		GRPCDialOptions:  wire.DialOptions(),
		SyncStdout:       run.lines,
		SyncStderr:       run.lines,
		Logger:           hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Error, Output: debugWriter{spec.Log}}),
	})
	if err := p.connect(ctx); err != nil {
		p.Kill()
		return nil, run.explain(err)
	}
	return p, nil
}

// connect runs go-plugin's start, which takes no context, and kills the process group when ctx ends first.
func (p *Process) connect(ctx context.Context) error {
	started := make(chan error, 1)
	go func() {
		protocol, err := p.client.Client()
		if err == nil {
			p.wire, err = wire.Dispense(protocol)
		}
		started <- err
	}()
	select {
	case err := <-started:
		return err
	case <-ctx.Done():
		p.run.killGroup()
		<-started
		return ctx.Err()
	}
}

// Client calls the plugin.
func (p *Process) Client() *wire.Client { return p.wire }

// PID is the process id.
func (p *Process) PID() int { return p.run.pid() }

// Done is closed when the process has ended and its group has been killed.
func (p *Process) Done() <-chan struct{} { return p.run.done }

// Sandbox says how far the process is confined.
func (p *Process) Sandbox() Report { return p.run.cage.report }

// Exit says how the process ended, such as "signal: killed"; only after Done.
func (p *Process) Exit() string { return p.run.exit() }

// Explain adds to err how the process ended, if it has, and its last lines.
func (p *Process) Explain(err error) error { return p.run.explain(err) }

// Tail returns the last lines that the plugin printed.
func (p *Process) Tail() []string { return p.run.ring.Lines() }

// Dump asks the Go runtime of the plugin for its stacks, which end in the log, and ends the process.
func (p *Process) Dump() { p.run.signal(dumpSignal) }

// Stop drains the plugin and shuts it down while ctx lasts, and kills it afterwards in any case. When it returns, the
// process, its children, its socket and its shared memory are gone.
func (p *Process) Stop(ctx context.Context) {
	if p.wire != nil && p.wire.Drain(ctx) == nil && p.wire.Shutdown(ctx) == nil {
		ended := make(chan struct{})
		go func() {
			p.client.Kill()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(exitTime):
		}
	}
	p.Kill()
}

// exitTime is how long a plugin that has closed its endpoint may take to exit by itself.
const exitTime = time.Second

// Kill ends the process group at once, and cleans up. It may be called any number of times.
func (p *Process) Kill() {
	p.close.Do(func() {
		// Before client.Kill: that asks the plugin to shut down without a deadline and would wait for a hung one for ever.
		p.run.killGroup()
		p.client.Kill()
		_ = os.RemoveAll(p.run.dir) // go-plugin leaves it when the process never started
		_ = p.slots.Close()
	})
}

// socketName is what go-plugin appends to the socket folder: "/plugin-dir" and "/plugin", with up to ten digits each.
const socketName = len("/plugin-dir4294967295/plugin4294967295")

// maxSocketPath is sizeof(sockaddr_un.sun_path) less its final zero: 108 bytes on Linux, 104 on macOS.
const maxSocketPath = 103

// CheckSocketDir reports a folder whose sockets would have longer names than the kernel takes.
func CheckSocketDir(dir string) error {
	if n := len(dir) + socketName; n > maxSocketPath {
		return fmt.Errorf("the socket folder %s is too long: its sockets' names would have up to %d bytes, the system takes %d; choose a shorter XDG_RUNTIME_DIR or --state", dir, n, maxSocketPath)
	}
	return nil
}

// explain adds the process's end and its last lines to an error.
func (p *process) explain(err error) error {
	if err == nil || sdk.AsError(err).Code == sdk.CodeInvalidInput { // what is wrong with a configuration, the plugin says itself
		return err
	}
	var text strings.Builder
	select {
	case <-p.done:
		fmt.Fprintf(&text, "plugin %s ended (%s): %s", p.spec.Name, p.exit(), reason(err))
	default:
		fmt.Fprintf(&text, "plugin %s: %s", p.spec.Name, reason(err))
	}
	if lines := p.lines.last(explainLines); len(lines) > 0 {
		fmt.Fprintf(&text, "\nits last lines:\n  %s", strings.Join(lines, "\n  "))
	}
	var typed *sdk.Error
	if p.outOfMemory() {
		return sdk.NewError(sdk.CodeOutOfMemory, text.String(), err)
	}
	if errors.As(err, &typed) {
		out := *typed
		out.Message = text.String()
		return &out
	}
	return sdk.NewError(sdk.CodeUnavailable, text.String(), err)
}

// explainLines is how many of a plugin's last lines an error carries: enough for the head of a panic.
const explainLines = 12

// maxReason bounds the reason in an error, in bytes: a plugin whose description has ten thousand faults is told of the first ones.
const maxReason = 2000

// reason is the first line of an error: go-plugin appends pages to some.
func reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if len(line) > maxReason {
		return strings.ToValidUTF8(line[:maxReason], "") + "..."
	}
	return line
}

// environment is what the plugin sees: go-plugin's own variables, the allow-list, and the spec's.
func (p *process) environment(handshake []string) []string {
	env := append([]string(nil), handshake...)
	for _, name := range allowedEnv {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	env = append(env, envClientCert+"="+p.cert, "HOME="+p.spec.ScratchDir, "TMPDIR="+p.spec.ScratchDir, fmt.Sprintf("%s=%d", wire.EnvParent, os.Getpid()))
	if cache, err := os.UserCacheDir(); err == nil { // HOME is private, the cache of downloaded libraries is not
		env = append(env, "XDG_CACHE_HOME="+cache)
	}
	if p.slots != nil {
		env = append(env, fmt.Sprintf("%s=3", wire.EnvSlotsFD), fmt.Sprintf("%s=%d", wire.EnvSlotsSize, p.slots.Size()))
	}
	if p.spec.Source != "" {
		env = append(env, EnvSource+"="+p.spec.Source)
	}
	return append(env, p.spec.Env...)
}

// debugWriter takes go-plugin's own log lines.
type debugWriter struct{ log *slog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}
