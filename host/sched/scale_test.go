package sched

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestScale_decides(t *testing.T) {
	busy := func(name string) Replica {
		return Replica{Name: name, Number: number(name), Ready: true, Running: 1, Permits: 1}
	}
	idle := func(name string, d time.Duration) Replica {
		return Replica{Name: name, Number: number(name), Ready: true, Permits: 1, Idle: d}
	}
	starting := func(name string) Replica { return Replica{Name: name, Number: number(name)} }
	const long = time.Minute
	to := func(least, most int) Bounds {
		return Bounds{Min: least, Max: most, Grow: DefaultGrow, Shrink: DefaultShrink}
	}
	for name, c := range map[string]struct {
		load   Load
		bounds Bounds
		start  bool
		stop   string
	}{
		"pressed":                            {Load{2, DefaultGrow, []Replica{busy("p")}}, to(1, 2), true, ""},
		"not pressed for long enough":        {Load{2, DefaultGrow - 1, []Replica{busy("p")}}, to(1, 2), false, ""},
		"no more wait than run at once":      {Load{1, long, []Replica{busy("p")}}, to(1, 2), false, ""},
		"several permits":                    {Load{4, long, []Replica{{Name: "p", Ready: true, Running: 4, Permits: 4}}}, to(1, 2), false, ""},
		"at its most":                        {Load{9, long, []Replica{busy("p"), busy("p/2")}}, to(1, 2), false, ""},
		"one is starting":                    {Load{9, long, []Replica{busy("p"), starting("p/2")}}, to(1, 3), false, ""},
		"the only one is starting":           {Load{9, long, []Replica{starting("p")}}, to(1, 3), false, ""},
		"none runs and some wait":            {Load{1, long, nil}, to(0, 1), true, ""},
		"none runs and none waits":           {Load{0, 0, nil}, to(2, 3), false, ""},
		"fewer than the least":               {Load{0, 0, []Replica{busy("p")}}, to(2, 3), true, ""},
		"fewer than the least, one starting": {Load{0, 0, []Replica{starting("p")}}, to(2, 3), false, ""},
		"bounds of nothing are one":          {Load{9, long, []Replica{busy("p")}}, Bounds{}, false, ""},
		"most below least":                   {Load{0, 0, []Replica{busy("p")}}, to(2, 1), true, ""},
		"idle":                               {Load{0, 0, []Replica{busy("p"), idle("p/2", DefaultShrink)}}, to(1, 2), false, "p/2"},
		"idle, but not for long enough":      {Load{0, 0, []Replica{busy("p"), idle("p/2", DefaultShrink-1)}}, to(1, 2), false, ""},
		"the highest idle one":               {Load{0, 0, []Replica{idle("p/10", long), idle("p", long), idle("p/9", long)}}, to(1, 10), false, "p/10"},
		"of those that are idle":             {Load{0, 0, []Replica{idle("p/2", long), busy("p/3"), idle("p", long)}}, to(1, 3), false, "p/2"},
		"the least stay":                     {Load{0, 0, []Replica{idle("p", long), idle("p/2", long)}}, to(2, 3), false, ""},
		"the planned one stays":              {Load{0, 0, []Replica{idle("p", long), busy("p/2")}}, to(1, 3), false, ""},
		"the last one stays":                 {Load{0, 0, []Replica{idle("p", long)}}, to(0, 3), false, ""},
		"some wait":                          {Load{1, 0, []Replica{busy("p"), idle("p/2", long)}}, to(1, 2), false, ""},
		"one that starts is not idle":        {Load{0, 0, []Replica{busy("p"), {Name: "p/2", Idle: long}}}, to(1, 2), false, ""},
		"more than the most":                 {Load{0, 0, []Replica{idle("p", long), idle("p/2", long)}}, to(1, 1), false, "p/2"},
	} {
		t.Run(name, func(t *testing.T) {
			if start, stop := Scale(c.load, c.bounds); start != c.start || stop != c.stop {
				t.Errorf("start %t, stop %q, want %t, %q", start, stop, c.start, c.stop)
			}
		})
	}
}

// A load that stays the same must come to rest: what has been started is not stopped, what has been stopped is not started.
func TestScale_comes_to_rest(t *testing.T) {
	bounds := Bounds{Min: 1, Max: 4, Grow: DefaultGrow, Shrink: DefaultShrink}
	for waiting := range 8 {
		for n := 1; n <= 4; n++ {
			for busy := range n + 1 {
				load := Load{Waiting: waiting, Oldest: time.Minute}
				add := func() {
					i := len(load.Replicas)
					r := Replica{Name: "p" + string(rune('0'+i)), Ready: true, Permits: 1, Idle: time.Minute}
					if i < busy {
						r.Running, r.Idle = 1, 0
					}
					load.Replicas = append(load.Replicas, r)
				}
				for range n {
					add()
				}
				started, stopped := 0, 0
				for range 10 {
					start, stop := Scale(load, bounds)
					if start {
						started++
						add()
					}
					if stop != "" {
						stopped++
						load.Replicas = load.Replicas[:len(load.Replicas)-1]
					}
				}
				if started > 0 && stopped > 0 || started+stopped > 3 {
					t.Errorf("%d wait, %d of %d busy: %d started and %d stopped", waiting, busy, n, started, stopped)
				}
			}
		}
	}
}

// number is that of NAME or NAME/2.
func number(name string) int {
	_, digits, _ := strings.Cut(name, "/")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 1
	}
	return n
}
