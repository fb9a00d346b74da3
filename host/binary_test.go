package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/internal/plugintest"
)

func digest(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// F5 of the fault matrix: what is not the plugin is not started, and says why.
func TestFault_wrong_binary_is_refused_with_its_cause(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	echo, zeros := plugintest.Echo(t, ""), strings.Repeat("0", 64)
	for _, c := range []struct {
		name, binary, sha256 string
		want                 []string
	}{
		{"another digest", echo, zeros, []string{zeros, digest(t, echo), "vision lock", "plugins.hcl:3"}},
		{"another protocol version", plugintest.Echo(t, "wrong-protocol"), "", []string{"incompatible API version", "plugins.hcl:2"}},
		{"no handshake", plugintest.Echo(t, "exit"), "", []string{"exit status 3", "cannot open shared object file"}},
		{"not executable", file("plain", "#!/bin/sh\n", 0o600), "", []string{"no executable file"}},
		{"a folder", dir, "", []string{"no executable file"}},
		{"a text", file("text", "I am a plugin, honestly.\n", 0o700), "", []string{"exec format error"}},
		{"a program that is no plugin", file("program", "#!/bin/sh\necho I am no plugin\n", 0o700), "", []string{"I am no plugin"}},
		{"an interpreter that is not there", file("script", "#!/nowhere/python\n", 0o700), "", []string{"no such file"}},
		{"a broken link", link(t, filepath.Join(dir, "nothing")), "", []string{"does not exist"}},
		{"an empty file", file("empty", "", 0o700), "", []string{"exec format error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := fmt.Sprintf("plugin \"echo\" {\n  binary = %q\n", c.binary)
			if c.sha256 != "" {
				text += fmt.Sprintf("  sha256 = %q\n", c.sha256)
			}
			h, diags := host.New(t.Context(), load(t, text+"}\n"), host.Options{StateDir: t.TempDir()})
			defer h.Close(context.WithoutCancel(t.Context()))
			if !diags.HasErrors() {
				t.Fatal("it was taken")
			}
			for _, want := range c.want {
				if !strings.Contains(diags.Error(), want) {
					t.Errorf("%q is missing in %s", want, diags)
				}
			}
			orphans(t)
		})
	}
}

func link(t testing.TB, target string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "echo")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// F5: what runs is what was checked, whatever becomes of the file.
func TestFault_bytes_that_were_checked_are_the_bytes_that_run(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: what a process runs is seen in /proc, which is Linux's")
	}
	want := digest(t, plugintest.Echo(t, ""))
	for name, swap := range map[string]func(t *testing.T, path string){
		"the link leads elsewhere": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(plugintest.Echo(t, "exit"), path); err != nil {
				t.Fatal(err)
			}
		},
		"the file is written over": func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"the file is removed": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := link(t, plugintest.Echo(t, ""))
			if name == "the file is written over" {
				path = plugintest.Echo(t, "copy")
			}
			c := load(t, fmt.Sprintf("plugin \"echo\" {\n  binary = %q\n  sha256 = %q\n}\n", path, want))
			t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
			h, diags := host.New(t.Context(), c, host.Options{StateDir: t.TempDir(), Timing: quick})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			defer h.Close(context.WithoutCancel(t.Context()))
			swap(t, path) // between the check and the start
			h.Start()
			for range 2 { // the second time after a crash
				answersAgain(t, h)
				pid := h.Plugins()[0].PID
				if got := digest(t, fmt.Sprintf("/proc/%d/exe", pid)); got != want {
					t.Errorf("%s runs, %s was checked", got, want)
				}
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				plugintest.Eventually(t, 5*time.Second, "another process", func() bool { p := h.Plugins()[0]; return p.State == "ready" && p.PID != pid })
			}
		})
	}
}
