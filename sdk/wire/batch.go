package wire

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// Batch is a rendezvous of Infer calls whose requests a plugin is to work on together. It has a number of places, and each must be settled:
// taken by one Infer call, or given up by Leave. When the last place is settled, the requests that have come together leave as one command
// for each client. A request that is alone by then, or does not fit into the message, leaves by itself.
//
// A Batch has no clock: whoever makes one must see that its places are settled soon, as when each is given to a goroutine that calls
// Infer at once. An Infer call whose context ends while it waits gives its place up.
type Batch struct {
	mu      sync.Mutex
	open    int
	members []*member
	settled chan struct{} // closed with the last place
}

// member is one request that waits for the others.
type member struct {
	stream  *stream
	request *pb.InferRequest
	gone    bool // its context has ended before the batch left
	sent    bool // it has left with others
}

// NewBatch makes a batch of n places, n at least 1.
func NewBatch(n int) *Batch { return &Batch{open: n, settled: make(chan struct{})} }

// Leave gives one place up, by whoever would have called Infer with it. On nil it does nothing.
func (b *Batch) Leave() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle()
}

// join takes one place for a request, and waits until the batch has left or ctx ends. It reports whether the request has left with others:
// if not, and ctx has not ended, the request is the caller's to send.
func (b *Batch) join(ctx context.Context, w *work, r *pb.InferRequest) (sent bool) {
	m := &member{stream: w.stream, request: r}
	b.mu.Lock()
	b.members = append(b.members, m)
	b.settle()
	b.mu.Unlock()
	select {
	case <-b.settled:
	case <-w.done: // the connection has broken
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m.gone = true
	return m.sent
}

// settle counts a place, and after the last one sends what has come together; the lock is held. A place too many is a mistake of the
// caller's that changes nothing.
func (b *Batch) settle() {
	if b.open--; b.open != 0 {
		return
	}
	for len(b.members) > 0 {
		s := b.members[0].stream
		var together []*member
		size := 0
		for _, m := range b.members {
			if m.stream != s || m.gone {
				continue
			}
			if n := requestSize(m.request); size+n <= link.PayloadLimit {
				together, size = append(together, m), size+n
			}
		}
		b.members = slices.DeleteFunc(b.members, func(m *member) bool { return m.stream == s })
		send(s, together)
	}
	close(b.settled)
}

// send sends requests of one stream as one command. It does not wait: where so many commands are unread that there is no room, each request
// goes by itself, which can wait.
func send(s *stream, together []*member) {
	if len(together) < 2 {
		return
	}
	command := &pb.InferBatch{}
	for _, m := range together {
		command.Requests = append(command.Requests, m.request)
	}
	select {
	case s.out <- &pb.InferCommand{Command: &pb.InferCommand_Batch{Batch: command}}:
		for _, m := range together {
			m.sent = true
		}
	default:
	}
}

// requestSize is what a request adds to a command.
func requestSize(r *pb.InferRequest) int { return 16 + proto.Size(r) }
