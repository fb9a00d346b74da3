package retrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Store is a folder of labelled pairs and of models. Several processes may use it at once.
type Store struct {
	dir string
	mu  sync.Mutex // of Append
}

// Open opens a store, and makes one where there is none.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "models"), 0o755); err != nil {
		return nil, fmt.Errorf("open the store of reward models: %w", err)
	}
	return &Store{dir: dir}, nil
}

// MaxPairs bounds pairs.jsonl, in bytes: some fifty thousand pairs, more than the base set trains with.
const MaxPairs = 32 << 20

// ErrFull is a store that takes no more.
var ErrFull = errors.New("the store of reward models is full")

func (s *Store) pairs() string { return filepath.Join(s.dir, "pairs.jsonl") }

// Append adds pairs, all or none, and returns when they are on the disk. The error is ErrPair, ErrFull, or the file's. After a crash the last line may
// be cut off: the next one begins anew.
func (s *Store) Append(pairs ...Pair) (err error) {
	var text []byte
	for _, p := range pairs {
		line, err := json.Marshal(p)
		if err == nil {
			_, err = decodePair(line)
		}
		if err != nil {
			return fmt.Errorf("store a labelled pair: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.pairs(), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("store a labelled pair: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("store a labelled pair: %w", err)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size()+int64(len(text)) > MaxPairs {
		return fmt.Errorf("%w: %s would have more than %d bytes; move it away, or take its oldest lines out", ErrFull, s.pairs(), MaxPairs)
	}
	last := []byte{'\n'}
	if info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' {
		text = append([]byte{'\n'}, text...)
	}
	if _, err := f.Write(text); err != nil { // one write, so that pairs of several processes do not mix
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if info.Size() == 0 {
		return syncFolder(s.dir)
	}
	return nil
}

// maxWarnings bounds what Pairs warns of one by one: a person reads it.
const maxWarnings = 20

// Pairs reads all pairs. What is no pair is left out and named by its line.
func (s *Store) Pairs() (pairs []Pair, warnings []error, err error) {
	text, err := readAtMost(s.pairs(), MaxPairs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		p, err := decodePair(line)
		switch {
		case err == nil:
			pairs = append(pairs, p)
		case line[len(line)-1] != '\n':
			warnings = append(warnings, fmt.Errorf("%s: line %d, the last, is cut off and left out", s.pairs(), number))
		default:
			warnings = append(warnings, fmt.Errorf("%s: line %d is left out: %w", s.pairs(), number, err))
		}
	}
	if more := len(warnings) - maxWarnings; more > 0 {
		warnings = append(warnings[:maxWarnings], fmt.Errorf("%s: %d more lines are left out", s.pairs(), more))
	}
	return pairs, warnings, nil
}

// readAtMost reads a file; of one that is larger than it may be, the error is ErrFull.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: %s has more than %d bytes", ErrFull, path, limit)
	}
	return data, err
}

// writeFile writes a file that is on the disk when it returns.
func writeFile(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder makes what has been made or renamed in a folder last.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
