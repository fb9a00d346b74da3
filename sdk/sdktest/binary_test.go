package sdktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
)

// paintedBy is the painter of a process, broken in the way that is named.
func paintedBy(how string) *painter {
	p := &painter{}
	var leak [][]byte
	switch how {
	case "leaks":
		p.before = func(context.Context, sdk.Request) error {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			leak = append(leak, block)
			return nil
		}
	case "reads its folder":
		p.configure = func(sdk.Config) error {
			if dir, err := os.Getwd(); err != nil || strings.Contains(dir, " ") {
				return errors.New("there is no palette")
			}
			return nil
		}
	case "dies":
		p.before = func(_ context.Context, r sdk.Request) error {
			if r.Values.Int("steps") > 120 {
				fmt.Fprintln(os.Stderr, "CUDA error 700: an illegal memory access was encountered")
				os.Exit(7)
			}
			return nil
		}
	case "exits with an error":
		p.close = func() error {
			os.Exit(3)
			return nil
		}
	}
	return p
}

// script is an executable file that starts this test's binary as a plugin.
func script(t *testing.T, how, before string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "painter")
	text := fmt.Sprintf("#!/bin/sh\n%s\n%s=%q exec %q\n", before, serveEnv, how, self)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSuite_passes_a_binary_that_keeps_its_promises(t *testing.T) {
	t.Parallel()
	report := Run(t.Context(), Binary(script(t, "", "")), Options{})
	expect(t, report, "")
	if report.Skipped > 0 {
		for _, c := range report.Cases {
			if c.Result == Skipped {
				t.Errorf("%s is skipped: %s", c.Name, c.Detail)
			}
		}
	}
	if report.Passed < 40 || report.Passed != len(report.Cases) {
		t.Errorf("%d of %d cases passed", report.Passed, len(report.Cases))
	}
}

func TestSuite_finds_what_is_broken_in_a_binary(t *testing.T) {
	t.Parallel()
	for _, b := range []struct{ how, before, match, cases string }{
		{how: "leaks", match: "grow", cases: "does_not_grow"},
		{how: "reads its folder", match: "folder", cases: "works_in_any_folder"},
		{how: "dies", match: "survives|refuses", cases: "survives_what_the_schema_excludes"},
		{how: "exits with an error", match: "exits", cases: "exits_after_shutdown"},
		{before: "unset PLUGIN_CLIENT_CERT", match: "speaks", cases: "speaks_only_to_its_host"},
		{before: "unset VISION_PARENT", match: "ends_with", cases: "ends_with_its_host"},
		{before: "[ $VISION_PLUGIN ] || exit 0", match: "hand", cases: "says_what_it_is_when_started_by_hand"},
		{before: "exit 5", match: "describes|sound|loads|drains", cases: "describes_itself_at_once"},
		{before: "echo 'no handshake'; sleep 0.1; echo 'nor this' >&2; exit 5", match: "describes", cases: "describes_itself_at_once"},
	} {
		t.Run(strings.ReplaceAll(b.how+b.before, " ", "_"), func(t *testing.T) {
			t.Parallel()
			report := impatient(Binary(script(t, b.how, b.before)), Options{Match: regexp.MustCompile(b.match)}).run(t.Context())
			expect(t, report, b.cases)
		})
	}
}

func TestBinary_tells_what_a_program_printed_that_does_not_start(t *testing.T) {
	t.Parallel()
	_, err := Binary(script(t, "", "echo libpaint.so is missing >&2; exit 5")).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "libpaint.so is missing") {
		t.Error(err)
	}
	_, err = Binary(filepath.Join(t.TempDir(), "none")).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func TestBinary_start_ends_with_its_context_and_leaves_nothing(t *testing.T) {
	t.Parallel()
	held := filepath.Join(t.TempDir(), "held")
	for _, limit := range []time.Duration{0, 50 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		began := time.Now()
		if _, err := Binary(script(t, "", "echo $$ >> "+held+"; sleep 60")).Start(ctx); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	}
	pids, err := os.ReadFile(held)
	if err != nil {
		return // it was ended before it could begin
	}
	for _, text := range strings.Fields(string(pids)) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if process, err := os.FindProcess(pid); err == nil && process.Signal(syscall.Signal(0)) == nil {
			t.Errorf("the process %d is left", pid)
		}
	}
}

func TestRun_reports_each_case_and_leaves_out_what_does_not_match(t *testing.T) {
	t.Parallel()
	var heard []string
	report := Run(t.Context(), InProcess(func() sdk.Endpoint { return &painter{} }), Options{
		Match: regexp.MustCompile("^(describes_itself|does_not_grow)"), Report: func(r Result) { heard = append(heard, r.Name+" "+r.Result) },
	})
	if want := "describes_itself_at_once passed, does_not_grow skipped"; strings.Join(heard, ", ") != want || report.Passed != 1 || report.Skipped != 1 {
		t.Errorf("%q; %+v", heard, report)
	}
}

func TestRun_with_a_wrong_configuration_says_so_once(t *testing.T) {
	t.Parallel()
	report := Run(t.Context(), InProcess(func() sdk.Endpoint { return &painter{} }), Options{
		Config: map[string]any{"size": 10}, Match: regexp.MustCompile("configured|loads|answers_every|drains"),
	})
	if report.Failed != 1 || report.Passed != 1 || !strings.Contains(report.Cases[0].Detail, "size is 10: an int from 1 to 9") {
		t.Errorf("%+v", report)
	}
}

func TestCases_have_distinct_names_and_a_promise_each(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		if c.Name == "" || c.Doc == "" || seen[c.Name] || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%+v", c)
		}
		seen[c.Name] = true
	}
	if len(seen) < 30 {
		t.Errorf("%d cases", len(seen))
	}
}
