package instance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/host/instance"
)

func TestStop_returns_although_the_process_is_started_again_at_once(t *testing.T) {
	var w world
	i := w.instance(t, instance.Timing{}, func(i *instance.Instance, s instance.Status) {
		if s.State == instance.Stopped {
			go i.Start()
		}
	})
	for range 500 {
		i.Start()
		if err := i.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		returns(t, "Stop", func() { i.Stop(t.Context()) })
	}
}

func TestStop_that_comes_later_hurries_the_one_under_way(t *testing.T) {
	w := world{drains: true}
	i := w.instance(t, instance.Timing{}, nil)
	i.Start()
	if err := i.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() { i.Stop(context.Background()) }) // has Timing.Drain, 30 s
	for i.Status().State != instance.Draining {
		runtime.Gosched()
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	returns(t, "Stop", func() { i.Stop(over) })
	group.Wait()
}

func TestStop_waits_for_the_end_of_a_process_that_has_failed(t *testing.T) {
	for name, end := range map[string]func(*instance.Instance){
		"Stop":  func(i *instance.Instance) { i.Stop(context.Background()) },
		"Close": func(i *instance.Instance) { i.Close(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := world{ending: 50 * time.Millisecond}
			i := w.instance(t, instance.Timing{}, nil)
			i.Start()
			if err := i.AwaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			i.Recycle(i.Status().PID, errors.New("out of memory")) // it has not answered well before: a failure
			if s := i.Status(); s.State != instance.Backoff || s.Failures != 1 {
				t.Fatalf("%+v", s)
			}
			end(i)
			if p, l := w.processes.Load(), w.leases.Load(); p != 0 || l != 0 {
				t.Errorf("%d processes and %d leases are left", p, l)
			}
		})
	}
}

func TestRecycle_leaves_another_process_alone(t *testing.T) {
	var w world
	i := w.instance(t, instance.Timing{}, nil)
	i.Start()
	if err := i.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.Recycle(i.Status().PID+1, errors.New("out of memory"))
	if s := i.Status(); s.State != instance.Ready {
		t.Errorf("%+v", s)
	}
}

func TestAwaitReady_reports_that_there_was_no_room(t *testing.T) {
	w := world{admit: func(context.Context) error { return errFull }}
	i := w.instance(t, instance.Timing{}, nil)
	i.Start()
	if err := i.AwaitReady(t.Context()); !errors.Is(err, errFull) {
		t.Error(err)
	}
	if s := i.Status(); s.State != instance.Stopped || !s.Denied || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFailures_wait_longer_each_time_and_cool_down_at_the_fifth(t *testing.T) {
	var w world
	type failure struct {
		failures int
		wait     time.Duration
	}
	seen := make(chan failure, 100)
	i := w.instance(t, instance.Timing{FirstWait: time.Millisecond, Cooldown: time.Hour}, func(_ *instance.Instance, s instance.Status) {
		switch s.State {
		case instance.Ready:
			go w.crash()
		case instance.Backoff:
			seen <- failure{s.Failures, time.Until(s.RetryAt)}
		}
	})
	i.Start()
	for n := 1; n <= 5; n++ {
		most := time.Millisecond << (n - 1) * 12 / 10
		if n == 5 {
			most = time.Hour * 12 / 10
		}
		if f := <-seen; f.failures != n || f.wait > most || n == 5 && f.wait < 47*time.Minute {
			t.Errorf("failure %d: %+v, at most %s", n, f, most)
		}
	}
	i.Stop(t.Context())
	if s := i.Status(); s.State != instance.Stopped || time.Until(s.RetryAt) < 47*time.Minute {
		t.Errorf("the cooldown is forgotten: %+v", s)
	}
}

// Everything at once, in any order: nothing hangs, nothing is left, nothing is released twice.
func TestInstance_survives_a_storm_of_messages(t *testing.T) {
	before := runtime.NumGoroutine()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := world{ending: time.Duration(seed%3) * 100 * time.Microsecond, drains: seed%2 == 1}
			w.admit = func(ctx context.Context) error {
				if w.pids.Load()%7 == 6 {
					w.pids.Add(1)
					return errFull
				}
				select {
				case <-time.After(time.Duration(seed%5) * 50 * time.Microsecond):
				case <-ctx.Done():
				}
				return ctx.Err()
			}
			i := w.instance(t, instance.Timing{
				Health: time.Millisecond, Drain: time.Millisecond, FirstWait: 100 * time.Microsecond, Cooldown: time.Millisecond,
			}, func(i *instance.Instance, s instance.Status) {
				if s.State == instance.Stopped && seed%4 == 0 {
					go i.Start()
				}
			})
			var group sync.WaitGroup
			for n := range uint64(6) {
				random := rand.New(rand.NewPCG(seed, n))
				group.Go(func() {
					for range 60 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(2000))*time.Microsecond)
						switch random.IntN(6) {
						case 0, 1:
							i.Start()
						case 2:
							i.Stop(ctx)
						case 3:
							i.Recycle(i.Status().PID, errors.New("out of memory"))
						case 4:
							w.crash()
						case 5:
							_ = i.AwaitReady(ctx) // whatever it says
						}
						cancel()
					}
				})
			}
			returns(t, "the storm", group.Wait)
			group.Go(func() { i.Close(t.Context()) })
			group.Go(func() { i.Stop(t.Context()) })
			i.Start()
			returns(t, "Close", group.Wait)
		})
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
