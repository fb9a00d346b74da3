package device

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLedger_reserves_what_a_device_has_and_no_more(t *testing.T) {
	l := NewLedger([]Device{{Name: "gpu0", Budget: 100}, {Name: "gpu1", Budget: 50}})
	for _, c := range []struct {
		device, holder string
		bytes          int64
		want           bool
	}{
		{"gpu0", "a", 60, true}, {"gpu0", "b", 41, false}, {"gpu0", "b", 40, true}, {"gpu0", "c", 1, false}, {"gpu0", "c", 0, true},
		{"gpu1", "a", 1, false}, // it holds gpu0
		{"gpu1", "d", math.MaxInt64, false}, {"gpu1", "d", -1, false}, {"gpu2", "d", 1, false}, {"gpu1", "d", 50, true},
	} {
		if got := l.Reserve(c.device, c.holder, c.bytes); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	l.Adjust("a", 80) // more than it had reserved
	l.Adjust("nobody", 5)
	if l.Reserved("gpu0") != 120 || l.Budget("gpu0") != 100 || l.Reserved("gpu9") != 0 || l.Budget("gpu9") != 0 {
		t.Error(l.Reserved("gpu0"), l.Budget("gpu0"))
	}
	l.Release("b")
	l.Release("b")
	if want := map[string]int64{"a": 80, "c": 0}; !reflect.DeepEqual(l.Holders("gpu0"), want) || !l.Reserve("gpu0", "b", 20) || l.Reserve("gpu0", "e", 1) {
		t.Error(l.Holders("gpu0"))
	}
}

func TestLedger_keeps_what_is_held_when_the_devices_change(t *testing.T) {
	l := NewLedger([]Device{{Name: "gpu0", Budget: 100}})
	l.Reserve("gpu0", "a", 80)
	l.SetDevices([]Device{{Name: "gpu0", Budget: 90}, {Name: "gpu1", Budget: 10}})
	if l.Reserved("gpu0") != 80 || l.Reserve("gpu0", "b", 11) || !l.Reserve("gpu0", "b", 10) || !l.Reserve("gpu1", "c", 10) {
		t.Error(l.Holders("gpu0"), l.Holders("gpu1"))
	}
	l.SetDevices(nil)
	if l.Reserved("gpu0") != 90 || l.Reserve("gpu0", "d", 0) {
		t.Error(l.Holders("gpu0"))
	}
	l.Release("a")
	if l.Reserved("gpu0") != 10 {
		t.Error(l.Holders("gpu0"))
	}
}

func TestLedger_is_never_over_the_budget_with_many_at_once(t *testing.T) {
	l := NewLedger([]Device{{Name: "gpu0", Budget: 10}})
	var held, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			holder := fmt.Sprint(i)
			for range 300 {
				if !l.Reserve("gpu0", holder, 3) {
					continue
				}
				now := held.Add(3)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				held.Add(-3)
				l.Release(holder)
			}
		})
	}
	wg.Wait()
	if most.Load() > 9 || most.Load() == 0 || l.Reserved("gpu0") != 0 {
		t.Errorf("%d bytes at once of 10, %d in the end", most.Load(), l.Reserved("gpu0"))
	}
}

func TestLockLoad_lets_one_model_at_a_time_onto_a_device(t *testing.T) {
	l := NewLedger(nil)
	unlock, err := l.LockLoad(t.Context(), "gpu0")
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.LockLoad(t.Context(), "gpu1") // another device does not wait
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.LockLoad(ctx, "gpu0"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second load got in: %v", err)
	}
	second := make(chan func())
	go func() {
		u, err := l.LockLoad(t.Context(), "gpu0")
		if err != nil {
			t.Error(err)
		}
		second <- u
	}()
	unlock()
	next := <-second
	unlock() // again: it must not let a third in
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.LockLoad(ctx, "gpu0"); err == nil {
		t.Error("unlocking twice let a third in")
	}
	next()
}
