package chain

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func journal(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestJournal_keeps_what_was_saved_for_the_next_process(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "weights")
	j := journal(t, dir)
	r := &Record{Genesis: Hash{9}, Netuid: 19, Method: V2, Weights: []Weight{{1, 65535}}, Salt: []uint16{1, 2}, Commit: &Hash{7}, Status: Submitted, Bytes: []byte{1}, Terms: &Terms{Nonce: 3}}
	if err := j.Save(r); err != nil {
		t.Fatal(err)
	}
	r.Status, r.Block, r.Bytes, r.Terms = Committed, 12, nil, nil
	if err := j.Save(r); err != nil {
		t.Fatal(err)
	}
	j.Close()
	again := journal(t, dir)
	open := again.Pending(Hash{9}, 19)
	if len(open) != 1 || !reflect.DeepEqual(open[0], r) {
		t.Errorf("the next process finds %+v, want %+v", open, r)
	}
	if len(again.Pending(Hash{8}, 19)) != 0 || len(again.Pending(Hash{9}, 18)) != 0 {
		t.Error("a record of another chain or subnet is pending")
	}
	info, err := os.Stat(JournalPath(dir, [32]byte{1}))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal, which holds salts, has the mode %v, %v", info.Mode(), err)
	}
}

func TestJournal_is_held_by_one_process_at_a_time(t *testing.T) {
	dir := t.TempDir()
	journal(t, dir)
	if _, err := OpenJournal(dir, [32]byte{1}); !errors.Is(err, ErrHeld) {
		t.Errorf("a second one: %v", err)
	}
	if other, err := OpenJournal(dir, [32]byte{2}); err != nil {
		t.Errorf("that of another hotkey: %v", err)
	} else {
		other.Close()
	}
}

func TestJournal_forgets_the_oldest_that_are_closed_and_never_one_that_is_open(t *testing.T) {
	j := journal(t, t.TempDir())
	j.records = append(j.records, &Record{Netuid: 1, Status: Committed})
	for range maxRecords {
		j.records = append(j.records, &Record{Netuid: 2, Status: Set})
	}
	if err := j.Save(&Record{Netuid: 3, Status: Set}); err != nil {
		t.Fatal(err)
	}
	if n := len(j.records); n != maxRecords || j.records[0].Netuid != 1 || j.records[n-1].Netuid != 3 {
		t.Errorf("%d records, the first of subnet %d, the last of %d", n, j.records[0].Netuid, j.records[n-1].Netuid)
	}
}

func TestReadJournal_refuses_what_is_none_and_says_what_to_do(t *testing.T) {
	for what, text := range map[string]string{"no JSON": "{", "another version": `{"version":2}`, "a null": `{"version":1,"records":[null]}`, "half a record": `{"version":1,"records":[{"bytes":"AQ=="}]}`} {
		path := filepath.Join(t.TempDir(), "j.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadJournal(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if records, err := ReadJournal(filepath.Join(t.TempDir(), "none")); err != nil || records != nil {
		t.Errorf("no file: %v, %v", records, err)
	}
}
