//go:build !linux

package slots

import "os"

// Region is one mapping of the shared memory.
type Region struct{ mem []byte }

// Create fails with ErrUnsupported.
func Create(int) (*Region, error) { return nil, ErrUnsupported }

// Open fails with ErrUnsupported.
func Open(*os.File, int) (*Region, error) { return nil, ErrUnsupported }

// File returns nil.
func (r *Region) File() *os.File { return nil }

// Close does nothing.
func (r *Region) Close() error { return nil }
