package device

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vision19/vision/host/config"
)

// Record is what has been measured of a plugin.
type Record struct {
	PeakBytes int64     `json:"peak_bytes"` // the most memory that one process has taken until it was loaded and warm
	Seconds   float64   `json:"seconds"`    // mean time of a request
	Requests  int64     `json:"requests"`   // that the mean is of
	At        time.Time `json:"at"`         // when something was last noted
}

// Took adds the time of one more request to the mean.
func (r *Record) Took(d time.Duration) {
	r.Requests++
	r.Seconds += (d.Seconds() - r.Seconds) / float64(r.Requests)
}

// Records remembers measurements from one run of the host to the next. A key names what was measured, the digest of a binary and its
// configuration, so that a change starts a new record. Its methods may be called from any goroutine.
type Records struct {
	path string

	mu      sync.Mutex
	records map[string]Record
	changed bool

	saving sync.Mutex // one writer of the file at a time
}

// The bounds of the file.
const (
	maxRecords     = 1000    // far more than a machine has configurations; the oldest go
	maxRecordsFile = 1 << 20 // a thousand take 200 KiB
)

type recordsFile struct {
	Records map[string]Record `json:"records"`
}

// OpenRecords reads the file at path; where there is none, nothing has been measured yet. The records can always be used: an error is a
// warning, that a broken file has been set aside, under its name with .broken added, or that the file cannot be read.
func OpenRecords(path string) (*Records, error) {
	r := &Records{path: path, records: map[string]Record{}}
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	} else if err != nil {
		return r, fmt.Errorf("read what was measured: %w", err)
	}
	records, err := decodeRecords(data)
	if err != nil {
		err = fmt.Errorf("%s holds no measurements, and has been set aside as %s.broken: %w", path, path, err)
		return r, errors.Join(err, os.Rename(path, path+".broken"))
	}
	r.records = records
	return r, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRecordsFile+1))
}

func decodeRecords(data []byte) (map[string]Record, error) {
	if len(data) > maxRecordsFile {
		return nil, fmt.Errorf("it is larger than %s", config.FormatSize(maxRecordsFile))
	}
	var f recordsFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	for key, r := range f.Records {
		if key == "" || r.PeakBytes < 0 || r.Seconds < 0 || r.Requests < 0 || r.PeakBytes > math.MaxInt64/2 {
			return nil, fmt.Errorf("the record %q has a negative or an impossible number", key)
		}
	}
	if f.Records == nil {
		return nil, errors.New("it has no records")
	}
	forget(f.Records)
	return f.Records, nil
}

// Get returns the record of a key.
func (r *Records) Get(key string) (Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, ok := r.records[key]
	return out, ok
}

// Note changes the record of a key, an empty one for a new key. Save writes it to the file.
func (r *Records) Note(key string, change func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record := r.records[key]
	change(&record)
	record.At = time.Now().UTC()
	r.records[key] = record
	forget(r.records)
	r.changed = true
}

// forget removes the oldest records above the limit.
func forget(records map[string]Record) {
	if len(records) <= maxRecords {
		return
	}
	keys := slices.SortedFunc(maps.Keys(records), func(a, b string) int {
		return cmp.Or(records[a].At.Compare(records[b].At), strings.Compare(a, b))
	})
	for _, key := range keys[:len(keys)-maxRecords] {
		delete(records, key)
	}
}

// Save writes the file if something has been noted since it was written. After an error the next one tries again.
func (r *Records) Save() error {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	if !r.changed {
		r.mu.Unlock()
		return nil
	}
	f := recordsFile{Records: maps.Clone(r.records)}
	r.changed = false
	r.mu.Unlock()
	err := writeAtomically(r.path, f)
	if err != nil {
		r.mu.Lock()
		r.changed = true
		r.mu.Unlock()
		return fmt.Errorf("write what was measured: %w", err)
	}
	return nil
}

// writeAtomically leaves the old file or the new one, never half of one.
func writeAtomically(path string, f recordsFile) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".new-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // gone already when all is well
	_, err = out.Write(append(data, '\n'))
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return err
	}
	return os.Rename(out.Name(), path)
}
