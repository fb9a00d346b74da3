package sdktest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/vision19/vision/sdk/wire"
)

// Binary is a plugin's executable file, started as go-plugin's client starts one, in this process's environment and in an empty working
// folder. Nothing is kept from it: `vision plugin test` starts it in the sandbox that the host will start it in.
func Binary(path string) Target {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &program{path: path, folder: "scratch"}
}

type program struct {
	path   string
	folder string // the working folder's name
}

// Name implements Target.
func (b *program) Name() string { return filepath.Base(b.path) }

// Executable is the file's path.
func (b *program) Executable() string { return b.path }

// startTime is until the handshake: a plugin answers before it loads anything.
const startTime = 10 * time.Second

// exitTime is how long a plugin that has been shut down may take to exit.
const exitTime = 2 * time.Second

// Start implements Target.
func (b *program) Start(ctx context.Context) (Process, error) {
	c, err := newChild(b.path, b.folder)
	if err != nil {
		return nil, err
	}
	certificate, text, err := newCertificate()
	if err != nil {
		c.Kill()
		return nil, err
	}
	c.plugin = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Plugins(c.slots),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			c.cmd.Env = append(append(c.cmd.Env, cmd.Env...), clientCertificate+"="+string(text))
			return childRunner{c}, nil
		},
		SkipHostEnv:      true, // newChild has it
		TLSConfig:        &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, ServerName: serverName},
		StartTimeout:     startTime,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: c.dir},
		GRPCDialOptions:  wire.DialOptions(),
		SyncStdout:       io.Discard,
		SyncStderr:       io.Discard,
		Logger:           hclog.NewNullLogger(),
	})
	if err := c.connect(ctx); err != nil {
		c.Kill()
		reason, _, _ := strings.Cut(err.Error(), "\n") // go-plugin appends pages to some
		return nil, fmt.Errorf("%s does not start: %s%s", b.path, reason, printed(c))
	}
	return c, nil
}

// printed is what a process has printed last, as the end of an error.
func printed(p Process) string {
	lines := p.Tail()
	if len(lines) == 0 {
		return ""
	}
	return "; its last lines:\n  " + strings.Join(lines[max(len(lines)-10, 0):], "\n  ")
}

// connect runs go-plugin's start, which takes no context.
func (c *child) connect(ctx context.Context) error {
	started := make(chan error, 1)
	go func() {
		protocol, err := c.plugin.Client()
		if err == nil {
			c.client, err = wire.Dispense(protocol)
		}
		started <- err
	}()
	select {
	case err := <-started:
		return err
	case <-ctx.Done():
		c.killGroup()
		<-started
		return ctx.Err()
	}
}

// childRunner is go-plugin's runner of a child.
type childRunner struct{ *child }

// Start implements runner.Runner.
func (p childRunner) Start(context.Context) error { return p.run() }

// Wait implements runner.Runner.
func (p childRunner) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill implements runner.Runner.
func (p childRunner) Kill(context.Context) error {
	p.killGroup()
	return nil
}

// Stdout implements runner.Runner.
func (p childRunner) Stdout() io.ReadCloser { return p.handshake }

// Stderr implements runner.Runner.
func (p childRunner) Stderr() io.ReadCloser { return p.silence }

// Name implements runner.Runner.
func (p childRunner) Name() string { return p.cmd.Path }

// ID implements runner.Runner.
func (p childRunner) ID() string { return strconv.Itoa(p.PID()) }

// Diagnose implements runner.Runner: the last lines say it better.
func (p childRunner) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner: both see the same files.
func (p childRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p childRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
