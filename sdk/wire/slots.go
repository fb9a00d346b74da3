package wire

import (
	"os"
	"sync"

	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/internal/slots"
)

// slotSize holds a 2048 x 2048 RGB image, raw; larger results travel in chunks. Untouched pages take no memory.
const slotSize = 12 << 20

// slotCount is how many results can be under way at once through shared memory; further ones travel in chunks.
const slotCount = 16

// Slots is the memory shared with one plugin process. A nil *Slots is valid and lends nothing.
type Slots struct {
	region *slots.Region

	mu     sync.Mutex
	free   []int
	closed bool
}

// NewSlots makes the shared memory for one plugin process, or fails where the platform has none.
func NewSlots() (*Slots, error) {
	region, err := slots.Create(slotSize * slotCount)
	if err != nil {
		return nil, err
	}
	s := &Slots{region: region}
	for i := range slotCount {
		s.free = append(s.free, i)
	}
	return s, nil
}

// File is the file to pass to the plugin as an extra descriptor, nil without slots.
func (s *Slots) File() *os.File {
	if s == nil {
		return nil
	}
	return s.region.File()
}

// Size is the region's bytes.
func (s *Slots) Size() int {
	if s == nil {
		return 0
	}
	return s.region.Size()
}

// Close gives the memory back. Only after the last Infer has returned.
func (s *Slots) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.unmap()
}

// unmap gives the memory back once nobody reads it any more; the lock is held.
func (s *Slots) unmap() error {
	if !s.closed || len(s.free) < slotCount {
		return nil
	}
	return s.region.Close()
}

// lend takes a slot for a request; a nil slot means chunks. release must be called once, when the plugin works on the request no more.
func (s *Slots) lend() (slot *pb.Slot, release func()) {
	if s == nil {
		return nil, func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 || s.closed {
		return nil, func() {}
	}
	index := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return &pb.Slot{Offset: uint64(index) * slotSize, Size: slotSize}, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free = append(s.free, index)
		_ = s.unmap()
	}
}

func (s *Slots) slice(slot *pb.Slot) []byte {
	if s == nil || slot == nil {
		return nil
	}
	return s.region.Slice(slot.GetOffset(), slot.GetSize())
}
