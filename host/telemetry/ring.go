package telemetry

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
)

// The bounds of a plugin's ring.
const (
	// DefaultLines is some screens of history: a start of a plugin writes about ten lines, a crash with all stacks some hundred.
	DefaultLines = 1000
	// DefaultBytes keeps a plugin that writes long lines, 16 KiB each at most, from holding 16 MiB; usual lines have 100 bytes.
	DefaultBytes = 1 << 20
)

// Ring keeps the last lines of one plugin across its processes. Its methods may be called from any goroutine.
type Ring struct {
	maxBytes int

	mu      sync.Mutex
	slots   []Line        // circular: line seq lies at seq % len(slots)
	kept    int           // how many of the last lines are kept
	bytes   int           // of their texts
	seq     uint64        // of the last line
	changed chan struct{} // closed when a line comes; nil while nobody waits
}

// NewRing keeps at most so many lines, and so many bytes of text; both are at least 1.
func NewRing(lines, bytes int) *Ring {
	return &Ring{slots: make([]Line, max(lines, 1)), maxBytes: max(bytes, 1)}
}

// Add appends a line and gives it its Seq. It never waits for a reader. A text beyond the ring's bytes is cut.
func (r *Ring) Add(l Line) {
	if len(l.Text) > r.maxBytes {
		l.Text = strings.ToValidUTF8(l.Text[:r.maxBytes], "")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.kept == len(r.slots) || r.kept > 0 && r.bytes+len(l.Text) > r.maxBytes {
		oldest := r.slot(r.seq - uint64(r.kept) + 1)
		r.bytes -= len(oldest.Text)
		*oldest = Line{}
		r.kept--
	}
	r.seq++
	l.Seq = r.seq
	*r.slot(r.seq) = l
	r.kept++
	r.bytes += len(l.Text)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// slot is the place of a line; the lock is held.
func (r *Ring) slot(seq uint64) *Line { return &r.slots[seq%uint64(len(r.slots))] }

// Lines returns the last n lines that are kept, oldest first.
func (r *Ring) Lines(n int) []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from(r.seq-uint64(min(max(n, 0), r.kept)), len(r.slots))
}

// from copies at most limit lines after a Seq that is kept, or the one before those that are; the lock is held.
func (r *Ring) from(after uint64, limit int) []Line {
	var out []Line
	for seq := after + 1; seq <= r.seq && len(out) < limit; seq++ {
		out = append(out, *r.slot(seq))
	}
	return out
}

// followBatch is how many lines a follower holds at once: enough to keep the lock free, few enough to hold little memory.
const followBatch = 64

// Follow yields what is kept after the Seq, 0 for all of it, and then every line as it comes, until ctx ends. A reader that is too slow
// misses lines: in their place it gets one line of the host (PID 0) with the Seq of the last missed one, which says how many.
func (r *Ring) Follow(ctx context.Context, after uint64) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		if after == 0 {
			after = r.before()
		}
		for ctx.Err() == nil {
			lines, missed, changed := r.next(after)
			if missed > 0 && !yield(gap(lines[0], missed)) {
				return
			}
			for _, l := range lines {
				if ctx.Err() != nil || !yield(l) {
					return
				}
				after = l.Seq
			}
			if len(lines) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// before is the Seq before the oldest line that is kept.
func (r *Ring) before() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq - uint64(r.kept)
}

// next returns lines after the Seq and how many before them are gone; without any, a channel that is closed when one comes.
func (r *Ring) next(after uint64) (lines []Line, missed uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after >= r.seq {
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		return nil, 0, r.changed
	}
	if before := r.seq - uint64(r.kept); after < before {
		missed, after = before-after, before
	}
	return r.from(after, followBatch), missed, nil
}

// gap stands for the lines that were missed before next.
func gap(next Line, missed uint64) Line {
	what := "lines are missing here: they came faster than they were read"
	if missed == 1 {
		what = "line is missing here: it came faster than it was read"
	}
	return Line{Seq: next.Seq - 1, Time: next.Time, Process: next.Process, Level: slog.LevelWarn, Text: fmt.Sprintf("%d %s", missed, what)}
}
