//go:build unix

package host

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile makes the file and locks it for the life of this process; errLocked when another has it.
func lockFile(path string) (*os.File, error) {
	return lockWith(path, os.O_RDWR|os.O_CREATE, syscall.LOCK_EX)
}

// openLocked locks a file that exists.
func openLocked(path string) (*os.File, error) { return lockWith(path, os.O_RDWR, syscall.LOCK_EX) }

// isLocked reports whether a process has locked the file. The question itself does not stand in the way of a process that wants to.
func isLocked(path string) bool {
	f, err := lockWith(path, os.O_RDONLY, syscall.LOCK_SH)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, errLocked)
}

func lockWith(path string, flags, kind int) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), kind|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return f, nil
}

// private refuses a folder that somebody else made, in a place where everybody may.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("check the runtime folder: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || (ok && int(owner.Uid) != os.Getuid()) {
		return fmt.Errorf("%s is not a folder of yours alone: remove it, or set XDG_RUNTIME_DIR to one that is", dir)
	}
	return nil
}
