package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vision19/vision/chain/wallet"
)

// Method is how weights get onto the chain.
type Method string

// The methods. Auto takes the one that the subnet asks for.
const (
	Auto   Method = "auto"
	Direct Method = "direct" // set_weights
	V2     Method = "v2"     // commit-reveal by a hash, which this client reveals
	V4     Method = "v4"     // commit-reveal by timelock encryption, which the chain reveals
)

// Status is how far a Record has come.
type Status string

// The statuses. Submitted, Committed and Revealing are open: something is still to be done or seen.
const (
	Submitted Status = "signed"    // signed and stored here; whether the chain has it is to be seen
	Committed Status = "committed" // the chain holds the commit; the reveal is to come
	Revealing Status = "revealing" // the reveal is signed and stored here; whether the chain has it is to be seen
	Set       Status = "set"       // read back from the chain, and equal
	Failed    Status = "failed"    // it did not come to be, and will not
	// Superseded weights were committed, and later ones stand on the chain when it is asked.
	Superseded Status = "superseded"
)

// A Record is one intent to set weights: what a reveal takes, and what came of it. It is stored before anything is submitted, so that a crash at any
// point loses no salt and sets nothing twice.
type Record struct {
	Hotkey     string    `json:"hotkey"` // SS58
	Genesis    Hash      `json:"genesis"`
	Netuid     uint16    `json:"netuid"`
	Mechanism  uint8     `json:"mechanism,omitempty"`
	Method     Method    `json:"method"`
	Weights    []Weight  `json:"weights"`
	VersionKey uint64    `json:"version_key"`
	Salt       []uint16  `json:"salt,omitempty"` // v2
	Commit     *Hash     `json:"commit,omitempty"`
	Round      uint64    `json:"round,omitempty"` // v4: the beacon's
	Epoch      uint64    `json:"epoch,omitempty"` // of the commit
	Status     Status    `json:"status"`
	Reason     string    `json:"reason,omitempty"` // why it failed
	Began      time.Time `json:"began"`
	Changed    time.Time `json:"changed"`
	Block      uint64    `json:"block,omitempty"` // that of the last thing that happened
	Extrinsic  Hash      `json:"extrinsic"`       // the last one
	Bytes      []byte    `json:"bytes,omitempty"` // of an extrinsic whose inclusion is to be seen
	Terms      *Terms    `json:"terms,omitempty"`
}

// Open says that something is still to be done.
func (r *Record) Open() bool { return r.Status != Set && r.Status != Failed && r.Status != Superseded }

// A Journal keeps the Records of one hotkey in a file that only its owner may read, since salts are secret until their reveal.
type Journal struct {
	path    string
	lock    *os.File
	records []*Record
	now     func() time.Time
}

// maxRecords is how many records a journal keeps; the oldest that are closed go first.
const maxRecords = 1000

// maxJournal bounds the file: a thousand records of 4,096 weights each are below it.
const maxJournal = 64 << 20

// ErrHeld says that another process sets weights with the same hotkey.
var ErrHeld = errors.New("another process sets weights with this hotkey")

// OpenJournal opens the journal of a hotkey in a folder, which is made if need be, and holds it until Close. Another process that holds it is ErrHeld.
func OpenJournal(dir string, hotkey [32]byte) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := JournalPath(dir, hotkey)
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("the journal %s: %w", path, err)
	}
	j := &Journal{path: path, lock: lock, now: time.Now}
	if j.records, err = ReadJournal(path); err != nil {
		lock.Close()
		return nil, err
	}
	return j, nil
}

// JournalPath is the file of a hotkey's journal in a folder.
func JournalPath(dir string, hotkey [32]byte) string {
	return filepath.Join(dir, wallet.Address(hotkey)+".json")
}

type journalFile struct {
	Version int       `json:"version"`
	Records []*Record `json:"records"`
}

// ReadJournal reads a journal's records, oldest first, without holding it. No file is no records.
func ReadJournal(path string) ([]*Record, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxJournal {
		return nil, fmt.Errorf("the journal %s has %d bytes, where at most %d are right: move it away to begin a new one", path, info.Size(), maxJournal)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f journalFile
	if err := json.Unmarshal(b, &f); err != nil || f.Version != 1 {
		return nil, fmt.Errorf("the journal %s is none of version 1 (%v): move it away to begin a new one; commits that are not revealed yet are lost then", path, err)
	}
	for i, r := range f.Records {
		if r == nil || (r.Terms == nil) != (len(r.Bytes) == 0) {
			return nil, fmt.Errorf("the journal %s: record %d is incomplete", path, i)
		}
	}
	return f.Records, nil
}

// Records are the records, oldest first.
func (j *Journal) Records() []*Record { return slices.Clone(j.records) }

// Pending are the open records of a chain's subnet.
func (j *Journal) Pending(genesis Hash, netuid uint16) []*Record {
	var open []*Record
	for _, r := range j.records {
		if r.Open() && r.Genesis == genesis && r.Netuid == netuid {
			open = append(open, r)
		}
	}
	return open
}

// later says whether weights of the same place were committed or set after a record's.
func (j *Journal) later(r *Record) bool {
	at := slices.Index(j.records, r)
	return slices.ContainsFunc(j.records[at+1:], func(o *Record) bool {
		return o.Genesis == r.Genesis && o.Netuid == r.Netuid && o.Mechanism == r.Mechanism && (o.Status == Committed || o.Status == Set)
	})
}

// Save stores a record as it is now, on the disk, before it returns.
func (j *Journal) Save(r *Record) error {
	r.Changed = j.now().UTC()
	if !slices.Contains(j.records, r) {
		r.Began = r.Changed
		j.records = append(j.records, r)
	}
	for i := 0; len(j.records) > maxRecords && i < len(j.records); {
		if j.records[i].Open() {
			i++
		} else {
			j.records = slices.Delete(j.records, i, i+1)
		}
	}
	b, err := json.Marshal(journalFile{1, j.records})
	if err != nil {
		return err
	}
	if err := writeFile(j.path, b); err != nil {
		return fmt.Errorf("store what is to be set, before it is submitted: %w", err)
	}
	return nil
}

// Close gives the journal up.
func (j *Journal) Close() error { return j.lock.Close() }

// writeFile replaces a file in one step, and returns when it is on the disk.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
