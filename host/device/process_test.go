//go:build linux

package device

import (
	"os"
	"testing"
)

func TestProcessPeak_is_at_least_what_is_held_now(t *testing.T) {
	peak, now, err := ProcessPeak(os.Getpid())
	if err != nil || now < 1<<20 || peak < now {
		t.Errorf("%d %d %v", peak, now, err)
	}
	if _, _, err := ProcessPeak(1 << 30); err == nil {
		t.Error("a process that is not there has a peak")
	}
}

func TestParseStatus_reads_the_two_lines(t *testing.T) {
	for text, want := range map[string][2]int64{
		"Name:\tx\nVmHWM:\t   300 kB\nVmRSS:\t   200 kB\n": {300 << 10, 200 << 10},
		"Name:\tzombie\nState:\tZ (zombie)\n":              {},
		"VmHWM: -1 kB\nVmRSS: 99999999999999999999 kB":     {},
		"VmHWM:": {},
	} {
		if peak, now := parseStatus(text); peak != want[0] || now != want[1] {
			t.Errorf("%q: %d %d", text, peak, now)
		}
	}
}
