package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/sdk"
)

// stormTime is how long a storm lasts. Another length and another seed are for whoever looks for a fault:
// VISION_STORM=60s VISION_STORM_SEED=7 go test -race -run Storm ./host
const stormTime = 5 * time.Second

// weather is a configuration in the storm: what changes are numbers, and whether the guest is there.
func weather(t testing.TB, random *rand.Rand) string {
	t.Helper()
	const evict = "memory = \"300MiB\"\n  on_full = \"evict\"\n  keep_alive = \"%dms\"\n  config {\n    concurrency = %d\n    load_ms = %d\n  }"
	text := "device \"cpu0\" {\n  kind = \"cpu\"\n  memory = \"900MiB\"\n}\n"
	for _, name := range []string{"a", "b", "c"} { // two of them fit
		text += declare(t, name, fmt.Sprintf(evict, 50+random.IntN(500), 1+random.IntN(3), random.IntN(30)))
	}
	text += declare(t, "many", fmt.Sprintf("memory = \"48MiB\"\n  queue = 8\n  max_batch = %d\n  replicas {\n    max = 3\n  }", 1+random.IntN(2)))
	if random.IntN(2) == 0 {
		text += declare(t, "guest", "memory = \"48MiB\"\n  keep_alive = \"50ms\"")
	}
	if random.IntN(4) == 0 {
		text = strings.Replace(text, "load_ms = ", "fault = \"load\"\n    load_ms = ", 1) // a does not start: its old process stays
	}
	return text
}

// storm is what happens to a host, and what its clients see of it.
type storm struct {
	host    *host.Host
	over    context.Context
	answers [2]atomic.Int64 // refused, answered
	kinds   sync.Map        // sdk.Code -> *atomic.Int64
}

func (s *storm) client(t *testing.T, random *rand.Rand) {
	for s.over.Err() == nil {
		j := to([]string{"a", "b", "c", "guest", "many", "many", "many", "many"}[random.IntN(8)], "x")
		j.Parameters = map[string]any{"steps": 1 + random.IntN(20), "step_ms": random.IntN(4)}
		j.Client = strconv.Itoa(random.IntN(3))
		limit := time.Duration(20+random.IntN(3000)) * time.Millisecond
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		if random.IntN(5) == 0 {
			time.AfterFunc(time.Duration(random.IntN(50))*time.Millisecond, cancel)
		}
		accepted, last := 0, 0
		began := time.Now()
		_, err := s.host.Do(ctx, j, api.Events{Accepted: func() { accepted++ }, Step: func(done, total int) {
			if done <= last || done > total {
				t.Errorf("step %d of %d after %d", done, total, last)
			}
			last = done
		}})
		cancel()
		if took := time.Since(began); took > limit+4*slack {
			t.Errorf("%s: an answer after %s, the deadline was %s: %v", j.Target, took, limit, err)
		}
		if accepted > 1 {
			t.Errorf("%s was accepted %d times", j.Target, accepted)
		}
		s.count(t, j.Target, err)
	}
}

// excused are the errors that a client may meet who has done nothing wrong.
var excused = map[sdk.Code]bool{sdk.CodeUnavailable: true, sdk.CodeBusy: true, sdk.CodeDeadline: true, sdk.CodeCancelled: true, api.CodeNotFound: true}

func (s *storm) count(t *testing.T, target string, err error) {
	if err == nil {
		s.answers[1].Add(1)
		return
	}
	s.answers[0].Add(1)
	e := sdk.AsError(err)
	n, _ := s.kinds.LoadOrStore(e.Code, &atomic.Int64{})
	n.(*atomic.Int64).Add(1)
	if !excused[e.Code] || e.Code == api.CodeNotFound && target != "guest" {
		t.Errorf("%s: %s: %v", target, e.Code, err)
	}
}

// kill ends or stops a process now and then.
func (s *storm) kill(random *rand.Rand) {
	for s.over.Err() == nil {
		time.Sleep(time.Duration(20+random.IntN(150)) * time.Millisecond)
		var pids []int
		for _, p := range s.host.Plugins() {
			for _, r := range p.Replicas {
				if r.PID != 0 {
					pids = append(pids, r.PID)
				}
			}
		}
		if len(pids) == 0 {
			continue
		}
		signal := syscall.SIGKILL
		if random.IntN(3) == 0 {
			signal = syscall.SIGSTOP
		}
		_ = syscall.Kill(pids[random.IntN(len(pids))], signal) // it may be gone
	}
}

func (s *storm) reload(t *testing.T, random *rand.Rand) {
	for s.over.Err() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(50+random.IntN(3000))*time.Millisecond)
		if _, diags, _ := s.host.Apply(ctx, load(t, weather(t, random))); diags.HasErrors() && ctx.Err() == nil {
			t.Error(diags)
		}
		cancel()
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	}
}

// descriptors is how many files this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("skipped: open descriptors are counted in /proc, which is Linux's")
	}
	return len(open)
}

// Kills, stops, reloads, evictions, unloading, growth, deadlines and cancellations at once: every request gets its one answer, the plugins work
// afterwards, and nothing is left.
func TestStorm_loses_no_request_and_leaves_nothing(t *testing.T) {
	length, seed := stormTime, uint64(1)
	if d, err := time.ParseDuration(os.Getenv("VISION_STORM")); err == nil {
		length = d
	}
	if n, err := strconv.ParseUint(os.Getenv("VISION_STORM_SEED"), 10, 64); err == nil {
		seed = n
	}
	random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	timing := instance.Timing{
		Health: 50 * time.Millisecond, Answer: 400 * time.Millisecond, Grace: 300 * time.Millisecond, Drain: time.Second,
		FirstWait: 5 * time.Millisecond, Cooldown: 100 * time.Millisecond,
	}
	t.Run("before", func(t *testing.T) { wake(t, start(t, write(t, "", "")), "echo") }) // what is made once is there
	goroutines, open := runtime.NumGoroutine(), descriptors(t)
	t.Run("storm", func(t *testing.T) {
		h := begin(t, load(t, weather(t, random(0))), host.Options{Timing: timing, Shrink: 200 * time.Millisecond})
		over, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		s := &storm{host: h, over: over}
		var group sync.WaitGroup
		for n := range uint64(16) {
			group.Go(func() { s.client(t, random(10+n)) })
		}
		group.Go(func() { s.kill(random(1)) })
		group.Go(func() { s.reload(t, random(2)) })
		group.Wait()
		t.Logf("%d answered, %d not", s.answers[1].Load(), s.answers[0].Load())
		s.kinds.Range(func(code, n any) bool {
			t.Logf("%s: %d", code, n.(*atomic.Int64).Load())
			return true
		})
		if s.answers[1].Load() < s.answers[0].Load()/4 {
			t.Error("hardly anything was answered")
		}
		for _, p := range h.Plugins() {
			plugintest.Eventually(t, 10*time.Second, p.Name+" answers after the storm", func() bool {
				_, err := do(t, h, to(p.Name, "after"))
				return err == nil
			})
		}
	})
	plugintest.Eventually(t, 5*time.Second, "goroutines and descriptors are as before", func() bool {
		return runtime.NumGoroutine() <= goroutines && descriptors(t) <= open
	})
}
