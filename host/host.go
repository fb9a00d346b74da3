package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/sdk"
)

// Options are what a host gets from its surroundings.
type Options struct {
	StateDir string       // binaries by digest, and where a running host is found
	Log      *slog.Logger // nil: nothing is logged
	// Random draws a number below n, n > 0; nil draws from crypto/rand. Seeds come from here.
	Random func(n uint64) uint64
}

// Host runs the plugins of one configuration. Its methods may be called from any goroutine.
type Host struct {
	log      *slog.Logger
	state    string
	catalog  *catalog.Catalog
	run      *runtimeDir
	random   func(uint64) uint64
	requests atomic.Uint64

	reloading sync.Mutex

	mu      sync.RWMutex
	setup   setup
	units   []*unit
	servers []*serverSet
}

// New checks the configuration against plugins and devices, and starts nothing. The diagnostics hold every fault; with an
// error among them the host can only plan and close. Close must be called in any case where the host is not nil.
func New(ctx context.Context, c *config.Config, o Options) (*Host, hcl.Diagnostics) {
	fail := func(err error) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot prepare the host", Detail: err.Error() + "."}}
	}
	h := &Host{log: o.Log, state: o.StateDir, random: o.Random}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.random == nil {
		h.random = secureRandom
	}
	var err error
	if h.catalog, err = catalog.Open(filepath.Join(o.StateDir, "plugins")); err != nil {
		return nil, fail(err)
	}
	if h.run, err = newRuntimeDir(); err != nil {
		return nil, fail(err)
	}
	s, diags := h.prepare(ctx, c)
	h.setup = s
	return h, diags
}

func secureRandom(n uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, crypto/rand says
	return binary.LittleEndian.Uint64(b[:]) % n
}

// Plan says what goes where, and what Start or Reload would do.
func (h *Host) Plan() plan.Plan {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.setup.plan(h.running())
}

// running lists what runs, as the planner sees it; the lock is held.
func (h *Host) running() []plan.Running {
	var out []plan.Running
	for _, u := range h.units {
		out = append(out, plan.Running{Name: u.part.plugin.Name, Device: u.part.device.Name, Digest: u.part.digest()})
	}
	return out
}

// Start starts every plugin of the configuration; it does not wait for them.
func (h *Host) Start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.setup.parts {
		u := h.newUnit(p)
		h.units = append(h.units, u)
		u.instance.Start()
	}
}

// StartOnly starts the one plugin that target names, for a single call.
func (h *Host) StartOnly(target string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.setup.parts {
		if p.plugin.Name == target || p.description.Endpoint == target {
			u := h.newUnit(p)
			h.units = append(h.units, u)
			u.instance.Start()
			return nil
		}
	}
	var names []string
	for _, p := range h.setup.parts {
		names = append(names, p.plugin.Name)
	}
	return sdk.NewError(api.CodeNotFound, fmt.Sprintf("no endpoint or plugin %q is declared; there are %s", target, strings.Join(names, ", ")), nil)
}

// AwaitReady returns when every started plugin is ready, or with the first error.
func (h *Host) AwaitReady(ctx context.Context) error {
	h.mu.RLock()
	units := append([]*unit(nil), h.units...)
	h.mu.RUnlock()
	for _, u := range units {
		if err := u.instance.AwaitReady(ctx); err != nil {
			return located(u.part.plugin, err)
		}
	}
	return nil
}

// located adds to a configuration error where the file sets what is wrong.
func located(p config.Plugin, err error) error {
	e := sdk.AsError(err)
	if e.Code != sdk.CodeInvalidInput || e.Param == "" {
		return err
	}
	out := *e
	out.Message = config.Place(p.At(e.Param)) + ": " + e.Error()
	return &out
}

// find returns the unit with that name, or the first with that endpoint.
func (h *Host) find(target string) *unit {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, u := range h.units {
		if u.part.plugin.Name == target {
			return u
		}
	}
	for _, u := range h.units {
		if u.part.description.Endpoint == target {
			return u
		}
	}
	return nil
}

// Describe implements api.Backend.
func (h *Host) Describe(target string) (sdk.Description, bool) {
	u := h.find(target)
	if u == nil {
		return sdk.Description{}, false
	}
	d, _ := u.describe()
	return d, true
}

// Plugins implements api.Backend.
func (h *Host) Plugins() []api.Plugin {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := []api.Plugin{}
	for _, u := range h.units {
		out = append(out, u.status())
	}
	return out
}

// drainTime is how long requests under way have when the host stops.
const drainTime = 30 * time.Second

// Run starts the plugins and serves until ctx ends; then it answers what it has accepted and stops. ready is called with the address
// of the HTTP API once it listens. A host that is already running on the same state folder is an error.
func (h *Host) Run(ctx context.Context, ready func(listen string)) error {
	lock, err := lockState(h.state)
	if err != nil {
		return fmt.Errorf("another host uses %s (%w): stop it, or choose another folder with --state", h.state, err)
	}
	defer lock.Close()
	h.withdraw() // of a host that was killed
	servers := &serverSet{handler: api.Handler(h, h.log)}
	socket, err := h.serveControl(servers)
	if err != nil {
		return err
	}
	running := Running{PID: os.Getpid(), Socket: socket}
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

// Control serves the API on a socket that only this user can reach, until Close.
func (h *Host) Control() (socket string, err error) {
	return h.serveControl(&serverSet{handler: api.Handler(h, h.log)})
}

func (h *Host) serveControl(servers *serverSet) (string, error) {
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
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, u := range h.units {
		go func() {
			log := h.log.With("plugin", u.part.plugin.Name)
			if err := u.instance.AwaitReady(ctx); ctx.Err() != nil {
				return
			} else if errors.Is(err, sdk.ErrInvalidInput) { // other failures the instance has logged
				log.Error("the plugin refuses its configuration", "error", located(u.part.plugin, err))
				return
			} else if err != nil {
				return
			}
			s := u.instance.Status()
			log.Info("ready", "endpoint", s.Description.Endpoint, "device", s.Device, "pid", s.PID, "memory", config.FormatSize(s.Bytes))
		}()
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
	data := fmt.Appendf(nil, "{\"pid\":%d,\"socket\":%q,\"listen\":%q}\n", r.PID, r.Socket, r.Listen)
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

// Close stops every plugin, answers what was accepted while ctx lasts, and removes the host's folder.
func (h *Host) Close(ctx context.Context) {
	h.mu.Lock()
	units, servers := h.units, h.servers
	h.units, h.servers = nil, nil
	h.mu.Unlock()
	var group sync.WaitGroup
	for _, s := range servers {
		group.Go(func() { s.shutdown(ctx) })
	}
	for _, u := range units {
		group.Go(func() { u.close(ctx) })
	}
	group.Wait()
	if h.run != nil {
		h.run.close()
	}
}

// firstLine shortens an error for a log line; the plugin's own lines are in the log already.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
