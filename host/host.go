package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/sdk"
)

// Options are what a host gets from its surroundings.
type Options struct {
	StateDir string       // binaries by digest, measurements, and where a running host is found
	Log      *slog.Logger // nil: nothing is logged
	// Random draws a number below n, n > 0; nil draws from crypto/rand. Seeds come from here.
	Random func(n uint64) uint64
	// Load reads the configuration again, for Reload; nil: there is nothing to reload.
	Load func() (*config.Config, hcl.Diagnostics)
	// Inventory is the machine that is planned for; nil: this one.
	Inventory *device.Inventory
	// Running is what a host of another process runs, for Plan.
	Running []plan.Running
	// Timing is what instances go by, the zero value of each field its default.
	Timing instance.Timing
	// Shrink is how long a replica beyond the minimum is kept without work; 0: sched.DefaultShrink.
	Shrink time.Duration
}

// Host runs the plugins of one configuration. Its methods may be called from any goroutine.
type Host struct {
	log       *slog.Logger
	state     string
	catalog   *catalog.Catalog
	records   *device.Records
	ledger    *device.Ledger
	inventory device.Inventory
	run       *runtimeDir
	token     string // for the control socket
	random    func(uint64) uint64
	load      func() (*config.Config, hcl.Diagnostics)
	elsewhere []plan.Running // what another process's host runs
	timing    instance.Timing
	shrink    time.Duration
	requests  atomic.Uint64
	life      context.Context // ends when the host closes: from then on nothing is begun
	end       context.CancelFunc
	drain     context.Context // ends when the host has no more time to close: what is still at work is lost
	cut       context.CancelFunc

	reloading sync.Mutex
	closing   sync.Mutex

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
	h := &Host{
		log: o.Log, state: o.StateDir, random: o.Random, load: o.Load, elsewhere: o.Running, timing: o.Timing,
		shrink: cmp.Or(o.Shrink, sched.DefaultShrink), token: rand.Text(),
	}
	h.life, h.end = context.WithCancel(context.WithoutCancel(ctx))
	h.drain, h.cut = context.WithCancel(context.WithoutCancel(ctx))
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
	if h.records, err = device.OpenRecords(filepath.Join(o.StateDir, "measured.json")); err != nil {
		h.log.Warn("measurements are not remembered", "error", err)
	}
	if o.Inventory != nil {
		h.inventory = *o.Inventory
	} else if h.inventory, err = device.Find(ctx); err != nil {
		// What is declared on a GPU is then a fault of its own; the rest can run.
		h.log.Warn("not all devices are known", "error", err)
	}
	if h.run, err = newRuntimeDir(); err != nil {
		return nil, fail(err)
	}
	s, diags := h.prepare(ctx, c)
	h.setup, h.ledger = s, device.NewLedger(s.devices)
	return h, diags
}

func secureRandom(n uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, crypto/rand says
	return binary.LittleEndian.Uint64(b[:]) % n
}

// Plan says what goes where, and what Start or Apply would do.
func (h *Host) Plan() plan.Plan {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.setup.make(h.running(), h.bytes)
}

// Devices lists what plugins may take of each device.
func (h *Host) Devices() []plan.Device {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.setup.planned()
}

// Candidates lists the declared plugins as plan.Suggest takes them, with what has been measured of each.
func (h *Host) Candidates() []plan.Candidate {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []plan.Candidate
	for _, p := range h.setup.parts {
		if p.description.Endpoint == "" {
			continue // nothing is known of it
		}
		record, _ := h.records.Get(p.recordKey)
		out = append(out, plan.Candidate{
			Name: p.plugin.Name, Device: p.plugin.Device, Endpoint: p.description.Endpoint, Bytes: max(p.bytes, record.PeakBytes), Weight: p.plugin.Weight, Seconds: record.Seconds,
		})
	}
	return out
}

// running lists what runs, as the planner sees it; the lock is held.
func (h *Host) running() []plan.Running {
	out := slices.Clone(h.elsewhere)
	for _, u := range h.units {
		out = append(out, u.running()...)
	}
	return out
}

// Start starts every plugin that the plan has a place for; it does not wait for them.
func (h *Host) Start() {
	h.reloading.Lock() // a reload that came before has begun them
	defer h.reloading.Unlock()
	for _, p := range h.setup.parts {
		if h.unit(p.plugin.Name) != nil {
			continue
		}
		u := h.newUnit(p)
		h.mu.Lock()
		h.units = append(h.units, u)
		h.mu.Unlock()
		u.begin()
	}
	go h.tend()
}

// begin starts the processes that are to be there from the start.
func (u *unit) begin() {
	if p := u.current(); !p.demand {
		u.ensure()
	}
}

// list returns the units there are now.
func (h *Host) list() []*unit {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(h.units)
}

// StartOnly starts the one plugin that target names, for a single call.
func (h *Host) StartOnly(target string) error {
	var names []string
	for _, p := range h.setup.parts {
		if p.plugin.Name == target || p.description.Endpoint == target {
			u := h.newUnit(p)
			h.mu.Lock()
			h.units = append(h.units, u)
			h.mu.Unlock()
			u.ensure()
			return nil
		}
		names = append(names, p.plugin.Name)
	}
	return sdk.NewError(api.CodeNotFound, fmt.Sprintf("no endpoint or plugin %q is declared; there are %s", target, strings.Join(names, ", ")), nil)
}

// AwaitReady returns when every started plugin is ready, or with the first error.
func (h *Host) AwaitReady(ctx context.Context) error {
	for _, u := range h.list() {
		if err := u.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) awaitReady(ctx context.Context) error {
	for _, r := range u.all() {
		if err := r.instance.AwaitReady(ctx); err != nil {
			return located(r.part().plugin, err)
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
		if u.name == target {
			return u
		}
	}
	for _, u := range h.units {
		if u.current().description.Endpoint == target {
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
	d, _, _ := u.describe()
	return d, true
}

// Plugins implements api.Backend.
func (h *Host) Plugins() []api.Plugin {
	out := []api.Plugin{}
	for _, u := range h.list() {
		out = append(out, u.status())
	}
	return out
}

// Close stops every plugin, answers what was accepted while ctx lasts, and removes the host's folder.
func (h *Host) Close(ctx context.Context) {
	h.closing.Lock()
	defer h.closing.Unlock()
	h.end()
	defer h.cut()
	defer context.AfterFunc(ctx, h.cut)()
	h.mu.Lock()
	units, servers := h.units, h.servers
	h.units, h.servers = nil, nil
	h.mu.Unlock()
	var group sync.WaitGroup
	for _, s := range servers {
		group.Go(func() { s.shutdown(ctx) })
	}
	for _, u := range units {
		group.Go(func() { u.close(ctx, errStopping) })
	}
	group.Wait()
	h.reloading.Lock() // one that is under way gives up what it begins, and drains what it replaces
	defer h.reloading.Unlock()
	h.saveRecords()
	if h.run != nil {
		h.run.close()
	}
}

// firstLine shortens an error for a log line; the plugin's own lines are in the log already.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
