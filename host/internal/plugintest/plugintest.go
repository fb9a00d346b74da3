// Package plugintest builds plugin binaries for tests and waits for conditions.
package plugintest

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	mu     sync.Mutex
	dir    string
	builds = map[string]string{}
)

// Build compiles a package of this module once in a test binary's life and returns the executable.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if path, ok := builds[pkg]; ok {
		return path
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "vision-plugintest"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	builds[pkg] = path
	return path
}

// Cleanup removes what Build made; TestMain calls it at the end.
func Cleanup() {
	mu.Lock()
	defer mu.Unlock()
	_ = os.RemoveAll(dir)
}

// Echo builds the echo plugin. A fault of the start is chosen by its file's name; "" is none.
func Echo(t testing.TB, fault string) string {
	t.Helper()
	path := Build(t, "github.com/vision19/vision/host/internal/testplugin")
	if fault == "" {
		return path
	}
	named := filepath.Join(t.TempDir(), "testplugin--"+fault)
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(named, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return named
}

// Output collects what a process or a log prints while it may be read.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

// String is everything so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// SocketDir makes a folder with a name that is short enough for sockets, which t.TempDir is not.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "vt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Eventually polls until the condition holds, and fails the test after the limit.
func Eventually(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
