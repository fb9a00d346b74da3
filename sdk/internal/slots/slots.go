// Package slots is the memory that a host shares with one plugin process, so that a large result is written once by the
// plugin and read once by the host. The host lends a slot with a request; the control messages travel over gRPC.
// Where the platform has no anonymous shared files, Create fails and results travel as chunks.
package slots

import "errors"

// ErrUnsupported is returned where the platform has no shared memory of this kind.
var ErrUnsupported = errors.New("shared memory slots are not supported on this platform")

// Slice returns the bytes of one slot; nil when the range does not lie within the region.
func (r *Region) Slice(offset, size uint64) []byte {
	if r == nil || offset > uint64(len(r.mem)) || size > uint64(len(r.mem))-offset {
		return nil
	}
	return r.mem[offset : offset+size : offset+size]
}

// Size returns the bytes of the region.
func (r *Region) Size() int {
	if r == nil {
		return 0
	}
	return len(r.mem)
}
