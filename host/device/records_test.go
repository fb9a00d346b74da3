package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRecords_are_remembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "measured.json")
	r, err := OpenRecords(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Get("a"); ok {
		t.Error("a record before the first note")
	}
	for i, seconds := range []float64{1, 2, 6} {
		r.Note("a", func(x *Record) {
			x.PeakBytes = max(x.PeakBytes, int64(100-i))
			x.Took(time.Duration(seconds * float64(time.Second)))
		})
	}
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenRecords(path)
	if got, ok := again.Get("a"); err != nil || !ok || got.PeakBytes != 100 || got.Requests != 3 || got.Seconds != 3 || time.Since(got.At) > time.Minute {
		t.Errorf("%+v %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRecords_set_a_broken_file_aside(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut": `{"records":{"a":{"peak_by`, "another file": `{"pid":1}`, "negative": `{"records":{"a":{"peak_bytes":-1}}}`, "endless": strings.Repeat(" ", maxRecordsFile) + "{}",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "measured.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := OpenRecords(path)
			if err == nil || !strings.Contains(err.Error(), path+".broken") {
				t.Errorf("the warning is %v", err)
			}
			if data, err := os.ReadFile(path + ".broken"); err != nil || string(data) != text {
				t.Errorf("what was set aside: %v", err)
			}
			r.Note("a", func(x *Record) { x.PeakBytes = 1 })
			if err := r.Save(); err != nil {
				t.Error(err)
			}
			if again, err := OpenRecords(path); err != nil || again.records["a"].PeakBytes != 1 {
				t.Error(err)
			}
		})
	}
}

func TestRecords_forget_the_oldest(t *testing.T) {
	r, err := OpenRecords(filepath.Join(t.TempDir(), "measured.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxRecords + 2 {
		r.Note(fmt.Sprint(i), func(x *Record) { x.Requests = 1 })
		if i == maxRecords-1 { // 0 is the youngest again
			r.Note("0", func(*Record) {})
		}
	}
	_, first := r.Get("0")
	_, second := r.Get("1")
	_, fourth := r.Get("3")
	if len(r.records) != maxRecords || !first || second || !fourth {
		t.Error(len(r.records), first, second, fourth)
	}
}

func TestRecords_that_cannot_be_written_are_tried_again(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	r, err := OpenRecords(filepath.Join(dir, "measured.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.Note("a", func(*Record) {})
	if err := r.Save(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(); err != nil {
		t.Error(err)
	}
	if again, err := OpenRecords(filepath.Join(dir, "measured.json")); err != nil || len(again.records) != 1 {
		t.Error(err)
	}
}

func TestRecords_lose_no_note_of_many_at_once(t *testing.T) {
	path := filepath.Join(t.TempDir(), "measured.json")
	r, err := OpenRecords(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				r.Note("a", func(x *Record) { x.Took(time.Second) })
				_ = r.Save()
			}
		})
	}
	wg.Wait()
	if again, err := OpenRecords(path); err != nil || again.records["a"].Requests != 400 {
		t.Errorf("%+v %v", again.records, err)
	}
}

func FuzzDecodeRecords(f *testing.F) {
	f.Add([]byte(`{"records":{"a":{"peak_bytes":1,"seconds":0.5,"requests":2,"at":"2026-01-01T00:00:00Z"}}}`))
	f.Add([]byte(`{"records":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := decodeRecords(data)
		if err == nil && (records == nil || len(records) > maxRecords) {
			t.Errorf("%d records", len(records))
		}
	})
}
