package slots

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Region is one mapping of the shared memory.
type Region struct {
	mem  []byte
	file *os.File
}

// Create makes a region of size bytes. Pages take memory only once they have been written.
func Create(size int) (*Region, error) {
	fd, err := unix.MemfdCreate("vision-slots", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create shared memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "vision-slots")
	if err := file.Truncate(int64(size)); err != nil {
		file.Close()
		return nil, fmt.Errorf("size shared memory: %w", err)
	}
	// A plugin that could shrink the file would make the host's next read of it a SIGBUS.
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		file.Close()
		return nil, fmt.Errorf("seal shared memory: %w", err)
	}
	return Open(file, size)
}

// Open maps size bytes of a region made by another process. The region owns the file.
func Open(file *os.File, size int) (*Region, error) {
	mem, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	return &Region{mem: mem, file: file}, nil
}

// File returns the file to pass to the plugin.
func (r *Region) File() *os.File { return r.file }

// Close unmaps the region; no slice of it may be used afterwards.
func (r *Region) Close() error {
	if r == nil {
		return nil
	}
	err := unix.Munmap(r.mem)
	r.mem = nil
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	return err
}
