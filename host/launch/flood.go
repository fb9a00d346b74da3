package launch

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// maxLogRate is how many lines a second of one process reach the host's log: more than a plugin says at work, and little enough that a
// loop of errors fills neither the disk nor the operator's screen. The ring and Spec.Lines get every line.
const maxLogRate = 200

// flood lets so many lines of a second through and counts the others.
type flood struct {
	log *slog.Logger

	mu     sync.Mutex
	passed int
	left   int
	timer  *time.Timer // ends the second, nil between two
}

// admit reports whether the next line may be logged. The first of a second starts it.
func (f *flood) admit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer == nil {
		f.timer = time.AfterFunc(time.Second, f.report)
	}
	if f.passed < maxLogRate {
		f.passed++
		return true
	}
	f.left++
	return false
}

// report ends the second and says how many lines it lacks.
func (f *flood) report() {
	f.mu.Lock()
	left := f.left
	if f.timer != nil {
		f.timer.Stop()
	}
	f.passed, f.left, f.timer = 0, 0, nil
	f.mu.Unlock()
	if left > 0 {
		f.log.Warn(fmt.Sprintf("%d lines left out: the log takes %d a second of a plugin", left, maxLogRate))
	}
}
