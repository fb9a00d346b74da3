package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// texts joins lines for comparison.
func texts(lines []Line) string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return strings.Join(out, " ")
}

// add appends the words of a text, a line each.
func add(r *Ring, words string) {
	for word := range strings.FieldsSeq(words) {
		r.Add(Line{Process: "echo", PID: 7, Text: word})
	}
}

func TestRing_keeps_the_last_lines_within_both_bounds(t *testing.T) {
	cases := []struct {
		name         string
		lines, bytes int
		add          string
		n            int
		want         string
	}{
		{"nothing", 3, 100, "", 10, ""},
		{"fewer than asked", 3, 100, "a b", 10, "a b"},
		{"the last of them", 3, 100, "a b c", 2, "b c"},
		{"none", 3, 100, "a b", 0, ""},
		{"a negative number", 3, 100, "a b", -1, ""},
		{"the oldest goes first", 3, 100, "a b c d e", 10, "c d e"},
		{"bytes bound too", 10, 5, "aa bb cc", 10, "bb cc"},
		{"one long line pushes out all", 10, 5, "a b ccccc", 10, "ccccc"},
		{"a line beyond the bytes is cut", 10, 5, "a ccccccc", 10, "ccccc"},
		{"cut between characters", 10, 5, "aaaaé", 10, "aaaa"},
		{"no room is room for one", 0, 0, "a b", 10, "b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := NewRing(c.lines, c.bytes)
			add(r, c.add)
			got := r.Lines(c.n)
			if texts(got) != c.want {
				t.Errorf("%q, want %q", texts(got), c.want)
			}
			total := uint64(len(strings.Fields(c.add)))
			for i, l := range got {
				if want := total - uint64(len(got)-1-i); l.Seq != want {
					t.Errorf("line %q has the number %d, want %d", l.Text, l.Seq, want)
				}
			}
		})
	}
}

func TestFollow_yields_what_is_kept_then_what_comes(t *testing.T) {
	for after, want := range map[uint64]string{0: "b c d e", 1: "b c d e", 2: "c d e", 3: "d e", 9: ""} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			r := NewRing(2, 100)
			add(r, "a b c") // a is gone
			var got []Line
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for l := range r.Follow(ctx, after) {
					got = append(got, l)
				}
			}()
			synctest.Wait() // the follower waits
			add(r, "d")
			synctest.Wait()
			add(r, "e")
			synctest.Wait()
			cancel()
			<-ended
			if texts(got) != want {
				t.Errorf("after %d: %q, want %q", after, texts(got), want)
			}
		})
	}
}

func TestFollow_tells_a_slow_reader_what_it_has_missed(t *testing.T) {
	r := NewRing(3, 100)
	add(r, "a")
	var got []Line
	for l := range r.Follow(t.Context(), 0) {
		if l.Text == "a" {
			add(r, "b c d e f") // meanwhile: b and c are gone
		}
		if l.Text == "f" {
			add(r, "g h i j") // g is gone
		}
		if got = append(got, l); l.Text == "j" {
			break
		}
	}
	const want = "a 2 lines are missing here: they came faster than they were read d e f " +
		"1 line is missing here: it came faster than it was read h i j"
	if texts(got) != want {
		t.Errorf("%q, want %q", texts(got), want)
	}
	missed := got[1]
	if missed.Seq != 3 || missed.PID != 0 || missed.Process != "echo" || missed.Level != slog.LevelWarn {
		t.Errorf("%+v", missed)
	}
}

func TestFollow_does_not_begin_with_what_was_gone_before(t *testing.T) {
	r := NewRing(2, 100)
	add(r, "a b c")
	for l := range r.Follow(t.Context(), 0) {
		if l.Text != "b" {
			t.Errorf("begins with %q", l.Text)
		}
		break
	}
}

func TestFollow_ends_with_its_context(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := NewRing(10, 100)
	add(r, "a b c")
	seen := 0
	for range r.Follow(ctx, 0) {
		seen++
		cancel()
	}
	if seen != 1 {
		t.Errorf("%d lines after the end", seen-1)
	}
}

func TestRing_loses_nothing_that_it_does_not_report(t *testing.T) {
	const writers, each = 4, 500
	r := NewRing(50, 1000)
	var readers, group sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			last, missed := uint64(0), uint64(0)
			for l := range r.Follow(t.Context(), 0) {
				if l.PID == 0 {
					var n uint64
					if _, err := fmt.Sscan(l.Text, &n); err != nil || last != 0 && last+n != l.Seq {
						t.Errorf("after line %d: %q up to line %d", last, l.Text, l.Seq)
					}
					missed += n
				} else if l.Seq != last+1 && last != 0 {
					t.Errorf("line %d comes after line %d", l.Seq, last)
				}
				if last = l.Seq; last == writers*each {
					return
				}
			}
			t.Errorf("ended after line %d, %d missed", last, missed)
		})
	}
	for range writers {
		group.Go(func() {
			for k := range each {
				r.Add(Line{PID: 1, Text: fmt.Sprint(k)})
				_ = r.Lines(10)
			}
		})
	}
	group.Wait()
	readers.Wait()
}

func TestLine_has_a_JSON_form(t *testing.T) {
	l := Line{Seq: 3, Time: time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.FixedZone("", 3600)), Process: "echo/2", PID: 77, Level: slog.LevelWarn, Text: `low "memory"`}
	const want = `{"seq":3,"time":"2026-03-01T11:00:00.250Z","plugin":"echo/2","pid":77,"level":"WARN","text":"low \"memory\""}`
	data, err := json.Marshal(l)
	if err != nil || string(data) != want {
		t.Fatalf("%s, %v", data, err)
	}
	var back Line
	if err := json.Unmarshal(data, &back); err != nil || !back.Time.Equal(l.Time) {
		t.Fatalf("%+v, %v", back, err)
	}
	if back.Time = l.Time; back != l {
		t.Errorf("%+v, want %+v", back, l)
	}
}

func TestLine_refuses_what_is_no_line(t *testing.T) {
	for _, text := range []string{`[]`, `{}`, `{"time":"yesterday","level":"INFO"}`, `{"time":"2026-03-01T11:00:00Z","level":"LOUD"}`, `{"seq":-1}`} {
		l := Line{Text: "before"}
		if err := json.Unmarshal([]byte(text), &l); err == nil || l.Text != "before" {
			t.Errorf("%s: %v, %+v", text, err, l)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"seq":3,"time":"2026-03-01T11:00:00.250Z","plugin":"echo/2","pid":77,"level":"WARN+3","text":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b Line
		if a.UnmarshalJSON(data) != nil {
			return
		}
		first, err := a.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.UnmarshalJSON(first); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := b.MarshalJSON(); err != nil || !slices.Equal(first, second) {
			t.Errorf("%s, then %s, %v", first, second, err)
		}
	})
}
