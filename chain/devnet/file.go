package devnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/scale"
	"golang.org/x/crypto/blake2b"
)

const (
	stateName = "devnet.state"
	lockName  = "devnet.lock"
	// stateMark starts the file, and ends with its version.
	stateMark = "vision devnet 2\n"
	// maxFile bounds the file in bytes: 256 neurons with weights for all of them take less than 1 MB.
	maxFile = 256 << 20
)

var (
	// ErrState is a state file that is damaged, or of another version.
	ErrState = errors.New("the state file of the devnet is not valid")
	// ErrLocked is a folder that another devnet uses.
	ErrLocked = errors.New("another devnet runs on this folder")
)

// saved is what outlives a process: the head and its state, which names its runtime, and the genesis. The pool and older blocks do not.
// So the head counts as finalized after a restart: what it could be forked back to is gone.
type saved struct {
	seed          [32]byte
	start         int64 // milliseconds since 1970
	netuid        uint16
	neurons       uint16
	genesis, head *block
}

// encode: mark, SCALE, blake2b-256 of both.
func (s *saved) encode() []byte {
	b := append([]byte(stateMark), s.seed[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.start))
	b = binary.LittleEndian.AppendUint16(b, s.netuid)
	b = binary.LittleEndian.AppendUint16(b, s.neurons)
	for _, k := range []*block{s.genesis, s.head} {
		b = binary.LittleEndian.AppendUint32(b, k.number)
		b = append(append(append(b, k.parent[:]...), k.stateRoot[:]...), k.xtRoot[:]...)
		b = binary.LittleEndian.AppendUint32(b, k.branch)
		b = scale.AppendCompact(b, uint64(len(k.extrinsics)))
		for _, xt := range k.extrinsics {
			b = scale.AppendBlob(b, xt)
		}
	}
	count := 0
	s.head.state.walk("", func(string, []byte) bool { count++; return true })
	b = scale.AppendCompact(b, uint64(count))
	s.head.state.walk("", func(k string, v []byte) bool {
		b = scale.AppendBlob(scale.AppendBlob(b, k), v)
		return true
	})
	h := blake2b.Sum256(b)
	return append(b, h[:]...)
}

// decodeState reads a file's contents. Errors wrap ErrState.
func decodeState(b []byte) (*saved, error) {
	if len(b) < len(stateMark)+32 || string(b[:len(stateMark)]) != stateMark {
		return nil, fmt.Errorf("%w: it does not start with %q", ErrState, stateMark)
	}
	body := b[:len(b)-32]
	if blake2b.Sum256(body) != [32]byte(b[len(body):]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrState)
	}
	return decodeBody(body[len(stateMark):])
}

func decodeBody(body []byte) (*saved, error) {
	r := scale.NewReader(body)
	s := &saved{seed: [32]byte(fixed(r, 32))}
	start := r.U64()
	s.start, s.netuid, s.neurons = int64(start), r.U16(), r.U16()
	read := func() *block {
		k := &block{number: r.U32(), parent: hash(fixed(r, 32)), stateRoot: hash(fixed(r, 32)), xtRoot: hash(fixed(r, 32)), branch: r.U32()}
		for range r.Length(1) {
			if r.Err() != nil {
				break
			}
			k.extrinsics = append(k.extrinsics, r.Blob())
		}
		k.hash = blake2b.Sum256(k.header())
		return k
	}
	s.genesis, s.head = read(), read()
	for range r.Length(2) {
		if r.Err() != nil {
			break
		}
		key, value := r.Blob(), r.Blob()
		s.head.state = s.head.state.put(string(key), value)
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if start > math.MaxInt64/1_000_000 || s.neurons == 0 || s.neurons > maxNeurons || s.genesis.number != 0 {
		return nil, fmt.Errorf("%w: a number in it is out of range", ErrState)
	}
	if hash(s.head.state.root()) != s.head.stateRoot {
		return nil, fmt.Errorf("%w: its state is not that of its block", ErrState)
	}
	if _, ok := runtime.SpecOf(&state{s.head.state}); !ok {
		return nil, fmt.Errorf("%w: its state names no runtime", ErrState)
	}
	if s.genesis.hash == s.head.hash {
		s.genesis = s.head
	}
	return s, nil
}

// fixed are n bytes, zeros where the reader has run out.
func fixed(r *scale.Reader, n int) []byte {
	b := make([]byte, n)
	copy(b, r.Bytes(n))
	return b
}

// load reads DIR/devnet.state; nil where there is none.
func load(dir string) (*saved, error) {
	path := filepath.Join(dir, stateName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of the devnet: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %w: it is no regular file of at most %d bytes", path, ErrState, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("state of the devnet: %w", err)
	}
	s, err := decodeState(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; move it away to begin a new chain", path, err)
	}
	return s, nil
}

// write puts the file in its place in one step: after a crash there is the old one or the new one.
func (s *saved) write(dir string) (err error) {
	f, err := os.CreateTemp(dir, ".devnet-*")
	if err != nil {
		return fmt.Errorf("state of the devnet: %w", err)
	}
	_, err = f.Write(s.encode())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, stateName))
	}
	if err != nil {
		return fmt.Errorf("state of the devnet: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// lock keeps other processes off a folder until the file is closed.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the devnet: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("folder of the devnet: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, nil
}
