package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vision19/vision/host/launch"
)

// Running is what a running host writes into its state folder, for the commands that look for it.
type Running struct {
	PID    int    `json:"pid"`
	Socket string `json:"socket"` // the control socket
	Token  string `json:"token"`  // for the control socket: whoever can read this may use it
	Listen string `json:"listen"` // the HTTP API's address, "" without one
}

// DefaultStateDir is $XDG_STATE_HOME/vision, or ~/.local/state/vision.
func DefaultStateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "vision")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "vision-state")
	}
	return filepath.Join(home, ".local", "state", "vision")
}

// FindRunning returns the host that uses the state folder; os.ErrNotExist when there is none.
func FindRunning(stateDir string) (Running, error) {
	if !isLocked(filepath.Join(stateDir, "host.lock")) {
		return Running{}, os.ErrNotExist
	}
	data, err := os.ReadFile(filepath.Join(stateDir, "host.json"))
	if err != nil {
		return Running{}, fmt.Errorf("find the running host: %w", err)
	}
	var r Running
	if err := json.Unmarshal(data, &r); err != nil {
		return Running{}, fmt.Errorf("find the running host: %w", err)
	}
	return r, nil
}

// lockState takes the state folder for this host. It tries for a moment: whoever asks whether a host runs holds the lock for an instant.
func lockState(stateDir string) (*os.File, error) {
	for tries := 0; ; tries++ {
		lock, err := lockFile(filepath.Join(stateDir, "host.lock"))
		if !errors.Is(err, errLocked) || tries == 20 {
			return lock, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var errLocked = errors.New("locked by another process")

// runtimeDir is the private folder of one host process: sockets and scratch. It goes when the process does.
type runtimeDir struct {
	dir  string
	lock *os.File
}

// newRuntimeDir makes the folder below $XDG_RUNTIME_DIR, or below the temporary folder, where sockets have short names, and sweeps
// those of hosts that have died.
func newRuntimeDir() (*runtimeDir, error) {
	base := filepath.Join(os.TempDir(), "vision-"+strconv.Itoa(os.Getuid()))
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		base = filepath.Join(dir, "vision")
	}
	if err := launch.CheckSocketDir(filepath.Join(base, "4194304")); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("make the runtime folder: %w", err)
	}
	if err := private(base); err != nil {
		return nil, err
	}
	sweep(base)
	dir, err := os.MkdirTemp(base, "")
	if err != nil {
		return nil, fmt.Errorf("make the runtime folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock the runtime folder: %w", err)
	}
	return &runtimeDir{dir: dir, lock: lock}, nil
}

func (r *runtimeDir) close() {
	_ = os.RemoveAll(r.dir)
	r.lock.Close()
}

// sweep removes the folders of dead hosts: their locks are free.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(base, e.Name())
		lock, err := openLocked(filepath.Join(dir, "lock"))
		if err == nil {
			_ = os.RemoveAll(dir)
			lock.Close()
		}
	}
}
