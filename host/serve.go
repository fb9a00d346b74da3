package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/sdk"
)

// drainTime is how long requests under way have when the host stops.
const drainTime = 30 * time.Second

// keepBinaries is how long a plugin binary stays in the store after its last use: going back to last month's build finds it there.
const keepBinaries = 30 * 24 * time.Hour

// Run starts the plugins and serves until ctx ends; then it answers what it has accepted and stops. ready is called with the address
// of the HTTP API once it listens. A host that is already running on the same state folder is an error.
func (h *Host) Run(ctx context.Context, ready func(listen string)) error {
	lock, err := lockState(h.state)
	if err != nil {
		return fmt.Errorf("another host uses %s (%w): stop it, or choose another folder with --state", h.state, err)
	}
	defer lock.Close()
	h.withdraw() // of a host that was killed
	if err := h.catalog.Sweep(keepBinaries); err != nil {
		h.log.Debug("old plugin binaries stay", "error", err)
	}
	socket, err := h.serveControl()
	if err != nil {
		return err
	}
	servers := &serverSet{handler: api.Handler(h, h.log)}
	running := Running{PID: os.Getpid(), Socket: socket, Token: h.token}
	if address := h.setup.config.Host.Listen; address != "" {
		listener, err := listen(address)
		if err != nil {
			return err
		}
		running.Listen = listener.Addr().String()
		servers.serve(listener)
	}
	if err := h.announce(running); err != nil {
		return err
	}
	defer h.withdraw()
	h.Start()
	h.reportStarts(ctx)
	ready(running.Listen)
	<-ctx.Done()
	h.log.Info("stopping once what was accepted is answered; a second interrupt stops at once", "within", drainTime)
	h.withdraw() // before the socket is closed: nobody should find a host that does not answer
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	servers.shutdown(stop)
	h.Close(stop)
	return nil
}

// Control serves the API on a socket that only this user can reach, to those who have the token, until Close.
func (h *Host) Control() (socket, token string, err error) {
	socket, err = h.serveControl()
	return socket, h.token, err
}

func (h *Host) serveControl() (string, error) {
	servers := &serverSet{handler: api.RequireToken(h.token, api.ControlHandler(h, h, h.log))}
	l, err := net.Listen("unix", filepath.Join(h.run.dir, "control"))
	if err != nil {
		return "", fmt.Errorf("make the control socket: %w", err)
	}
	servers.serve(l)
	h.mu.Lock()
	h.servers = append(h.servers, servers)
	h.mu.Unlock()
	return l.Addr().String(), nil
}

// reportStarts logs, for every plugin, that it is ready, or which line of the file it refuses.
func (h *Host) reportStarts(ctx context.Context) {
	for _, u := range h.list() {
		for _, r := range u.all() {
			go r.report(ctx)
		}
	}
}

func (r *replica) report(ctx context.Context) {
	log := r.unit.host.log.With("plugin", r.name)
	err := r.instance.AwaitReady(ctx)
	s := r.instance.Status()
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, sdk.ErrInvalidInput): // other failures the instance has logged
		log.Error("the plugin refuses its configuration", "error", located(r.part().plugin, err))
	case err == nil && s.State == instance.Ready:
		args := []any{"endpoint", s.Description.Endpoint, "device", s.Device, "pid", s.PID, "memory", config.FormatSize(s.Bytes)}
		if box := r.sandbox.Load(); box != nil {
			args = append(args, "files", box.Files, "network", box.Network)
		}
		log.Info("ready", args...)
	}
}

func listen(address string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(address); err == nil && net.ParseIP(host).To4() != nil {
		network = "tcp4" // of 0.0.0.0 Go would make every IPv6 address too
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w. If another program listens there, stop it or choose another address: --listen 127.0.0.1:0 takes any free port", address, err)
	}
	return l, nil
}

// announce writes host.json, for FindRunning.
func (h *Host) announce(r Running) error {
	data := fmt.Appendf(nil, "{\"pid\":%d,\"socket\":%q,\"token\":%q,\"listen\":%q}\n", r.PID, r.Socket, r.Token, r.Listen)
	if err := os.WriteFile(filepath.Join(h.state, "host.json"), data, 0o600); err != nil {
		return fmt.Errorf("announce the host: %w", err)
	}
	return nil
}

func (h *Host) withdraw() { _ = os.Remove(filepath.Join(h.state, "host.json")) }

// serverSet is one handler on several listeners.
type serverSet struct {
	handler http.Handler
	servers []*http.Server
}

func (s *serverSet) serve(l net.Listener) {
	server := api.Server(s.handler)
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(l) }() // ends with shutdown
}

func (s *serverSet) shutdown(ctx context.Context) {
	var group sync.WaitGroup
	for _, server := range s.servers {
		group.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		})
	}
	group.Wait()
}
