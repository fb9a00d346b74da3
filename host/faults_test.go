package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
)

// quick are the times of a host whose tests need not wait: a silent process is ended within about a second.
var quick = instance.Timing{
	Health: 100 * time.Millisecond, Answer: 500 * time.Millisecond, Grace: 200 * time.Millisecond, FirstWait: 10 * time.Millisecond, Cooldown: time.Second,
}

// stopped reports whether all threads of a process are stopped, which takes a moment after the signal.
func stopped(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		_, state, _ := strings.Cut(string(data), ") ")
		if err != nil || !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return len(files) > 0
}

// stopProcess stops a process and waits until it stands still.
func stopProcess(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	plugintest.Eventually(t, 2*time.Second, "every thread of it stands still", func() bool { return stopped(pid) })
}

// slack is how late a client may have the error of its deadline.
const slack = 250 * time.Millisecond

// F2 of the fault matrix: a plugin that hangs.
func TestFault_hanging_plugin_costs_its_clients_their_deadlines_and_is_replaced(t *testing.T) {
	for name, prompt := range map[string]string{"a stopped process": "hello", "a request that never ends": "fault:hang"} {
		t.Run(name, func(t *testing.T) {
			h := begin(t, write(t, "", "concurrency = 4"), host.Options{Timing: quick})
			if _, err := do(t, h, job("first", nil)); err != nil {
				t.Fatal(err)
			}
			s := serve(t, h)
			pid := h.Plugins()[0].PID
			if prompt == "hello" {
				stopProcess(t, pid)
			}
			const deadline = 600 * time.Millisecond // before the host finds out
			var group sync.WaitGroup
			for range 8 { // of which four wait in the queue
				group.Go(func() {
					began := time.Now()
					err := within(t, h, job(prompt, nil), deadline)
					if took := time.Since(began); !errors.Is(err, sdk.ErrDeadline) || took > deadline+slack {
						t.Errorf("after %s: %v", took, err)
					}
				})
			}
			group.Wait()
			plugintest.Eventually(t, 10*time.Second, "the process is replaced", func() bool {
				p := h.Plugins()[0]
				return p.State == "ready" && p.PID != pid && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
			})
			answersAgain(t, h)
			if prompt == "hello" {
				return
			}
			r, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/echo", strings.NewReader(`{"prompt":"fault:hang"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Prefer", "wait=1")
			began := time.Now()
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body)
			if took := time.Since(began); answer.StatusCode != http.StatusGatewayTimeout || took > time.Second+slack {
				t.Errorf("%d after %s: %s", answer.StatusCode, took, text)
			}
		})
	}
}

// within asks with a deadline.
func within(t testing.TB, h *host.Host, j api.Job, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_, err := h.Do(ctx, j, api.Events{})
	return err
}

// F2: the breaker.
func TestFault_five_starts_without_a_good_answer_open_the_breaker(t *testing.T) {
	model := t.TempDir()
	broken := filepath.Join(model, "broken")
	breakModel := func() {
		if err := os.WriteFile(broken, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	breakModel()
	h := begin(t, write(t, "", fmt.Sprintf("model = %q\n    fault = \"broken\"", model)), host.Options{Timing: quick})
	open := func(restarts int) {
		t.Helper()
		plugintest.Eventually(t, 10*time.Second, "five starts have failed", func() bool {
			p := h.Plugins()[0]
			return p.Restarts == restarts && p.State == "backoff"
		})
		for range 20 {
			began := time.Now()
			_, err := do(t, h, job("hello", nil))
			e := sdk.AsError(err)
			if took := time.Since(began); !errors.Is(err, sdk.ErrUnavailable) || e.RetryAfter < time.Second || e.RetryAfter > 2*time.Second || took > 100*time.Millisecond {
				t.Fatalf("after %s: %+v", took, err)
			}
			if !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the model is broken") {
				t.Fatal(err)
			}
		}
		if p := h.Plugins()[0]; p.Restarts != restarts {
			t.Errorf("%d restarts, %d when the breaker opened", p.Restarts, restarts)
		}
	}
	open(4)
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	plugintest.Eventually(t, 5*time.Second, "it is tried again after the cooldown", func() bool { return h.Plugins()[0].State == "ready" })
	if _, err := do(t, h, job("hello", nil)); err != nil || h.Plugins()[0].Restarts != 5 {
		t.Errorf("%v, %+v", err, h.Plugins()[0])
	}
	breakModel()
	if err := syscall.Kill(h.Plugins()[0].PID, syscall.SIGKILL); err != nil { // the good answer has reset the count
		t.Fatal(err)
	}
	open(10)
}

func TestFault_unloading_does_not_bypass_the_breaker(t *testing.T) {
	model := t.TempDir()
	if err := os.WriteFile(filepath.Join(model, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	timing := quick
	timing.Cooldown = time.Minute
	h := begin(t, write(t, `keep_alive = "1ms"`, fmt.Sprintf("model = %q\n    fault = \"broken\"", model)), host.Options{Timing: timing})
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		if _, err := do(t, h, job("hello", nil)); !errors.Is(err, sdk.ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if p := h.Plugins()[0]; p.Restarts != 4 {
		t.Errorf("%d restarts within the cooldown", p.Restarts)
	}
}

// F3: memory that is really taken. TestOutOfMemory has the plugin that only says so.
func TestFault_memory_beyond_the_limit_ends_the_process_alone(t *testing.T) {
	if memory := launch.Support().Memory; strings.HasPrefix(memory, "open: ") {
		t.Log("reported, as it should be: " + memory)
		return
	}
	device := "device \"cpu0\" {\n  kind = \"cpu\"\n  memory = \"1GiB\"\n}\n"
	for name, c := range map[string]struct{ config, prompt string }{
		"in a request":  {"", "fault:allocate"},
		"while loading": {"config {\n    fault = \"load-allocate\"\n  }", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			h := begin(t, load(t, device+declare(t, "other", `memory = "64MiB"`)+declare(t, "hog", "memory = \"64MiB\"\n  "+c.config)), host.Options{Timing: quick})
			if _, err := do(t, h, to("other", "first")); err != nil {
				t.Fatal(err)
			}
			before := h.Plugins()[0].PID
			s := serve(t, h)
			plugintest.Eventually(t, 5*time.Second, "the hog has died", func() bool {
				_, err := do(t, h, to("hog", c.prompt))
				if !errors.Is(err, sdk.ErrUnavailable) && !errors.Is(err, sdk.ErrOutOfMemory) || !strings.Contains(err.Error(), "memory") {
					t.Fatal(err)
				}
				return h.Plugins()[1].Restarts > 0
			})
			answer, body := post(t, s.URL+"/api/v1/hog", "", `{"prompt":"`+c.prompt+`"}`)
			if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
				t.Errorf("%d %s", answer.StatusCode, body)
			}
			if _, err := do(t, h, to("other", "next")); err != nil || h.Plugins()[0].PID != before {
				t.Errorf("the other plugin: %v, process %d and then %d", err, before, h.Plugins()[0].PID)
			}
			if c.config == "" {
				plugintest.Eventually(t, 5*time.Second, "the hog answers again", func() bool {
					_, err := do(t, h, to("hog", "next"))
					return err == nil
				})
			}
		})
	}
}
