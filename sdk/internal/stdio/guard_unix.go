//go:build unix

package stdio

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Guard moves the handshake pipe from descriptor 1 to a private one and points 1 at 2: what native code prints goes to
// the log, and a long line of it can no longer fill the handshake pipe and block the process. os.Stdout then is the pipe,
// for go-plugin to write its handshake line to. It returns the real stderr, which go-plugin will hide behind a pipe.
func Guard() (*os.File, error) {
	saved, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("guard stdout: %w", err)
	}
	if err := dup2(2, 1); err != nil {
		return nil, fmt.Errorf("guard stdout: %w", err)
	}
	os.Stdout = os.NewFile(uintptr(saved), "handshake")
	return os.Stderr, nil
}
