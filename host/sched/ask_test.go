package sched

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision19/vision/sdk"
)

func TestDispatcher_gives_the_members_of_a_batch_one_batch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		waits := []<-chan got{ask(ctx, d, Ask{Batch: "k"}), ask(ctx, d, Ask{}), ask(ctx, d, Ask{Batch: "k"})}
		d.Ready("a", 1, 8)
		first, third := <-waits[0], <-waits[2]
		if first.err != nil || first.ticket.Batch == nil || first.ticket.Batch != third.ticket.Batch {
			t.Errorf("%+v, %+v", first, third)
		}
		if n := d.RunningOn("a"); n != 2 {
			t.Errorf("%d run", n)
		}
		first.ticket.Done()
		load(t, d, 1, 1)
		third.ticket.Done()
		if second := <-waits[1]; second.err != nil || second.ticket.Batch != nil {
			t.Errorf("%+v", second)
		}
	})
}

func TestDispatcher_starts_a_batch_when_its_delay_is_over(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10, Delay: 20 * time.Millisecond})
		d.Ready("a", 1, 8)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		for range 3 { // the timer is set anew each time
			first := ask(ctx, d, Ask{Batch: "k"})
			time.Sleep(15 * time.Millisecond)
			second := ask(ctx, d, Ask{Batch: "k"})
			a, b := <-first, <-second
			if a.err != nil || b.err != nil || a.ticket.Waited != 20*time.Millisecond || b.ticket.Waited != 5*time.Millisecond {
				t.Errorf("%+v, %+v", a, b)
			}
			a.ticket.Done()
			b.ticket.Done()
		}
		held := ask(ctx, d, Ask{Batch: "k"})
		load(t, d, 1, 0)
		d.SetOptions(Options{Limit: 10})
		if g := <-held; g.err != nil || g.ticket.Waited != 0 {
			t.Errorf("%+v", g)
		}
	})
}

// A caller that goes away between the grant and its waking holds neither a permit nor a place, for which the others would wait.
func TestDispatcher_gives_up_the_place_of_a_member_that_has_gone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := 0
		for range 100 {
			d := NewDispatcher("p", Options{Limit: 10})
			ctx, stop := deadline(t, time.Minute)
			leaving, cancel := context.WithCancel(ctx)
			stays, leaves := ask(ctx, d, Ask{Batch: "k"}), ask(leaving, d, Ask{Batch: "k"})
			d.mu.Lock() // so that the one that leaves comes after the grant
			cancel()
			d.carryOut(d.queue.Ready(time.Now(), "a", 1, 8))
			d.mu.Unlock()
			a, b := <-stays, <-leaves
			if a.err != nil {
				t.Fatal(a.err)
			}
			if b.err == nil { // it has seen the grant first
				b.ticket.Batch.Leave()
				b.ticket.Done()
			} else {
				late++
			}
			if open := reflect.ValueOf(a.ticket.Batch).Elem().FieldByName("open").Int(); open != 1 {
				t.Fatalf("%d places are open, want the one of the member that stays", open)
			}
			load(t, d, 0, 1)
			a.ticket.Done()
			load(t, d, 0, 0)
			stop()
		}
		if late == 0 {
			t.Error("none was late")
		}
	})
}

func TestDispatcher_asks_by_class_client_and_age(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 3})
		ctx, cancel := deadline(t, time.Hour)
		defer cancel()
		waits := map[string]<-chan got{
			"check":   ask(ctx, d, Ask{Class: Check, Client: "v"}),
			"organic": ask(ctx, d, Ask{Client: "x"}),
			"more":    ask(ctx, d, Ask{Client: "x"}),
		}
		time.Sleep(time.Second)
		if d.Oldest() != time.Second {
			t.Errorf("the oldest waits %s", d.Oldest())
		}
		waits["other"] = ask(ctx, d, Ask{Client: "y"})
		if g := <-waits["check"]; !errors.Is(g.err, sdk.ErrBusy) || sdk.AsError(g.err).RetryAfter < time.Second || !strings.Contains(g.err.Error(), "queue of p") {
			t.Errorf("displaced: %v", g.err)
		}
		waits["again"] = ask(ctx, d, Ask{Client: "x", Avoid: "a", Since: time.Now().Add(-time.Minute)})
		load(t, d, 4, 0)
		if d.Oldest() != time.Minute {
			t.Errorf("the oldest waits %s", d.Oldest())
		}
		d.Ready("b", 1, 1)
		for _, name := range []string{"again", "other", "organic", "more"} {
			g := <-waits[name]
			if g.err != nil {
				t.Fatalf("%s: %v", name, g.err)
			}
			g.ticket.Done()
		}
	})
}

func TestDispatcher_sends_a_second_try_elsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 3})
		d.Ready("a", 2, 1)
		d.Ready("b", 1, 1)
		ctx, cancel := deadline(t, time.Hour)
		defer cancel()
		first := <-acquire(ctx, d)
		again := <-ask(ctx, d, Ask{Avoid: first.ticket.Instance, Since: time.Now()})
		if first.ticket.Instance != "a" || again.ticket.Instance != "b" {
			t.Errorf("%s, then %s", first.ticket.Instance, again.ticket.Instance)
		}
		third := ask(ctx, d, Ask{Avoid: "a", Since: time.Now()})
		load(t, d, 1, 2)
		d.Gone("b")
		if g := <-third; g.ticket.Instance != "a" {
			t.Errorf("%+v", g)
		}
	})
}

// Many callers at once, some of whom give up, on instances that come and go: nothing is lost and nothing is left.
func TestDispatcher_answers_every_caller(t *testing.T) {
	d := NewDispatcher("p", Options{Limit: 16, Delay: time.Microsecond})
	d.Ready("a", 2, 4)
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			for n := range 100 {
				limit := time.Minute
				if (i+n)%7 == 0 {
					limit = time.Duration(n) * time.Microsecond
				}
				ctx, cancel := deadline(t, limit)
				ticket, err := d.Acquire(ctx, Ask{Class: Class(i % 3), Client: fmt.Sprint(i % 5), Batch: []string{"", "k"}[n%2]})
				cancel()
				switch {
				case err == nil:
					ticket.Batch.Leave()
					ticket.Done()
				case !errors.Is(err, sdk.ErrBusy) && !errors.Is(err, sdk.ErrDeadline):
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		d.Gone("b")
		d.Ready("b", 1, 2)
	}
	callers.Wait()
	load(t, d, 0, 0)
	if len(d.waiters) > 0 {
		t.Errorf("%d wait still", len(d.waiters))
	}
}

func BenchmarkDispatcher_64_callers(b *testing.B) {
	for _, o := range []Ask{{}, {Batch: "k"}} {
		b.Run("batch="+o.Batch, func(b *testing.B) {
			b.ReportAllocs()
			d := NewDispatcher("p", Options{Limit: 64})
			d.Ready("a", 4, 16)
			ctx, cancel := deadline(b, time.Hour)
			defer cancel()
			var callers sync.WaitGroup
			for i := range 64 {
				callers.Go(func() {
					a := o
					a.Client = fmt.Sprint(i)
					for range b.N / 64 {
						ticket, err := d.Acquire(ctx, a)
						if err != nil {
							b.Error(err)
							return
						}
						ticket.Batch.Leave()
						ticket.Done()
					}
				})
			}
			callers.Wait()
		})
	}
}
