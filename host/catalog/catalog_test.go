package catalog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

func open(t testing.TB) (*catalog.Catalog, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "store")
	c, err := catalog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

// program writes an executable file.
func program(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func resolve(t testing.TB, c *catalog.Catalog, source, pinned string) catalog.Binary {
	t.Helper()
	b, err := c.Resolve(source, pinned)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// holds checks that the copy is private, executable and of that text, and that nothing else lies beside it.
func holds(t testing.TB, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != text || info.Mode().Perm() != 0o500 {
		t.Errorf("%q with %v, want %q", data, info.Mode(), text)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("beside the copy: %v", entries)
	}
}

func TestOpen_makes_a_private_folder(t *testing.T) {
	_, dir := open(t)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := catalog.Open(program(t, "no folder")); err == nil {
		t.Error("a file is a folder")
	}
}

func TestResolve_copies_under_the_digest(t *testing.T) {
	c, dir := open(t)
	source := program(t, "text")
	b := resolve(t, c, source, "")
	if want := (catalog.Binary{Source: source, SHA256: digest("text"), Path: filepath.Join(dir, digest("text"), "plugin")}); b != want {
		t.Errorf("%+v, want %+v", b, want)
	}
	holds(t, b.Path, "text")
}

func TestResolve_of_the_same_bytes_is_the_same_copy(t *testing.T) {
	c, _ := open(t)
	first := resolve(t, c, program(t, "text"), "")
	before, err := os.Stat(first.Path)
	if err != nil {
		t.Fatal(err)
	}
	second := resolve(t, c, program(t, "text"), digest("text"))
	after, err := os.Stat(second.Path)
	if err != nil {
		t.Fatal(err)
	}
	if first.Path != second.Path || !os.SameFile(before, after) {
		t.Errorf("%s and %s", first.Path, second.Path)
	}
	if other := resolve(t, c, program(t, "other"), ""); other.Path == first.Path {
		t.Error("other bytes are the same copy")
	}
}

func TestResolve_keeps_the_copy_when_the_source_changes(t *testing.T) {
	c, _ := open(t)
	source := program(t, "text")
	b := resolve(t, c, source, "")
	if err := os.WriteFile(source, []byte("changed"), 0o700); err != nil {
		t.Fatal(err)
	}
	holds(t, b.Path, "text")
	if again := resolve(t, c, source, ""); again.SHA256 != digest("changed") {
		t.Errorf("%+v", again)
	}
}

func TestResolve_refuses_another_digest_than_the_pinned_and_names_both(t *testing.T) {
	c, dir := open(t)
	source := program(t, "text")
	_, err := c.Resolve(source, digest("pinned"))
	var mismatch *catalog.DigestError
	if !errors.As(err, &mismatch) {
		t.Fatalf("%v", err)
	}
	if want := (catalog.DigestError{Source: source, Want: digest("pinned"), Got: digest("text")}); *mismatch != want {
		t.Errorf("%+v, want %+v", *mismatch, want)
	}
	for _, part := range []string{source, digest("pinned"), digest("text")} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not in %v", part, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("stored all the same: %v, %v", entries, err)
	}
}

func TestResolve_says_why_a_file_cannot_be_run(t *testing.T) {
	c, _ := open(t)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "does not exist",
		plain:                              "is no executable file",
		t.TempDir():                        "is no executable file",
		filepath.Join(plain, "under"):      "not a directory",
	} {
		if _, err := c.Resolve(source, ""); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), source) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestResolve_replaces_a_copy_that_was_tampered_with(t *testing.T) {
	c, _ := open(t)
	source := program(t, "text")
	b := resolve(t, c, source, "")
	for name, tamper := range map[string]func() error{
		"other bytes": func() error { return errors.Join(os.Chmod(b.Path, 0o700), os.WriteFile(b.Path, []byte("evil"), 0o700)) },
		"cut":         func() error { return errors.Join(os.Chmod(b.Path, 0o700), os.Truncate(b.Path, 2)) },
		"removed":     func() error { return os.Remove(b.Path) },
	} {
		if err := tamper(); err != nil {
			t.Fatal(err)
		}
		again := resolve(t, c, source, b.SHA256)
		if again != b {
			t.Errorf("%s: %+v, want %+v", name, again, b)
		}
		holds(t, b.Path, "text")
	}
}

// described uses every type of value and every zero that is not nothing.
func described() sdk.Description {
	return sdk.Description{
		Endpoint: "text-to-image", Title: "Text to image", Doc: "Draws.", Version: "1.2.3",
		Inputs: []sdk.Input{
			{Name: "prompt", Kind: sdk.TextInput, Required: true, MaxCount: 2, MaxLength: 77, Doc: "What to see."},
			{Name: "image", Kind: sdk.ImageInput, MaxPixels: 1 << 20, Content: sdk.Lines}, {Name: "mask", Kind: sdk.MaskInput, SameSizeAs: "image"},
		},
		OneOf: []string{"prompt", "image"},
		Parameters: schema.Schema{
			{Name: "a", Type: schema.Bool, Default: true},
			{Name: "b", Type: schema.Bool, Default: false},
			{Name: "c", Type: schema.Int, Default: int64(math.MaxInt64)},
			{Name: "d", Type: schema.Int, Default: int64(0), Allowed: []any{int64(0), int64(-1)}},
			{Name: "e", Type: schema.Float, Default: 0.1, MultipleOf: 0.1},
			{Name: "f", Type: schema.Float, Default: 0.0},
			{Name: "g", Type: schema.String, Default: "é", MaxLength: 9, Allowed: []any{"é", ""}},
			{Name: "h", Type: schema.String, Default: ""},
			{Name: "i", Type: schema.Int, Random: true, Min: schema.Bound(1), Max: schema.Bound(1<<32 - 1)},
			{Name: "j", Type: schema.Float, Required: true, Sampling: &schema.Sampling{Min: schema.Bound(1), Max: schema.Bound(2), Values: []any{1.5, 0.0}}},
		},
		Output: sdk.Output{
			Kind: sdk.ImageOutput, MediaType: sdk.PNG, MaxBytes: 1 << 20, Dimensions: 3,
			Width: sdk.Extent{Parameter: "c", Plus: []string{"d", "c"}}, Height: sdk.Extent{Input: "image", Times: "d"},
		},
		Config:       schema.Schema{{Name: "model", Type: schema.String, Required: true, Format: schema.FormatPath, Doc: "A folder."}},
		MemoryBytes:  6 << 30,
		Capabilities: sdk.Capabilities{MaxConcurrency: 4, Progress: true, Previews: true, Cancellation: true, Deterministic: true},
	}
}

func TestDescription_is_what_was_remembered(t *testing.T) {
	zero := described()
	zero.Parameters = append(zero.Parameters,
		schema.Parameter{Name: "zero_min", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(9), Random: true},
		schema.Parameter{Name: "zero_max", Type: schema.Float, Min: schema.Bound(-1), Max: schema.Bound(0), Required: true},
		schema.Parameter{Name: "zero_sampling", Type: schema.Float, Required: true, Sampling: &schema.Sampling{Min: schema.Bound(0), Max: schema.Bound(1)}},
	)
	for name, want := range map[string]sdk.Description{
		"all types of values": described(), "bounds of zero": zero, "little": {Endpoint: "x", Output: sdk.Output{Kind: sdk.EmbeddingOutput}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := want.Check(); err != nil {
				t.Fatal(err)
			}
			c, dir := open(t)
			b := resolve(t, c, program(t, name), "")
			if _, ok := c.Description(b); ok {
				t.Error("known before it was remembered")
			}
			if err := c.Remember(b, want); err != nil {
				t.Fatal(err)
			}
			reopened, err := catalog.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := reopened.Description(b); !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("%t\n%+v, want\n%+v", ok, got, want)
			}
		})
	}
}

func TestDescription_belongs_to_one_binary_and_can_be_replaced(t *testing.T) {
	c, _ := open(t)
	one, other := resolve(t, c, program(t, "one"), ""), resolve(t, c, program(t, "other"), "")
	for _, title := range []string{"First", "Second"} {
		d := described()
		d.Title = title
		if err := c.Remember(one, d); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Description(one); !ok || got.Title != title {
			t.Errorf("%q, want %q", got.Title, title)
		}
	}
	if _, ok := c.Description(other); ok {
		t.Error("another binary has the description")
	}
}

func TestDescription_that_is_broken_is_forgotten(t *testing.T) {
	c, _ := open(t)
	b := resolve(t, c, program(t, "text"), "")
	if err := c.Remember(b, described()); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(filepath.Dir(b.Path), "describe-*"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	good, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"empty": nil, "cut": good[:len(good)/2], "noise": bytes.Repeat([]byte{0xff}, 100)} {
		if err := os.WriteFile(kept[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Description(b); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if err := c.Remember(b, sdk.Description{Endpoint: "Wrong Name"}); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Description(b); ok {
		t.Errorf("wrong: %+v", got)
	}
}

func TestRemember_reports_that_it_cannot(t *testing.T) {
	c, dir := open(t)
	b := catalog.Binary{Path: filepath.Join(dir, "none", "plugin")}
	if err := c.Remember(b, described()); err == nil {
		t.Error("remembered in a folder that is not there")
	}
}

func TestSweep_removes_what_nobody_has_resolved_for_long(t *testing.T) {
	dir := t.TempDir()
	c, err := catalog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var stored []catalog.Binary
	for _, name := range []string{"old", "again", "new"} {
		source := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(source, []byte(name), 0o700); err != nil {
			t.Fatal(err)
		}
		b, err := c.Resolve(source, "")
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, b)
	}
	long := time.Now().Add(-time.Hour)
	for _, b := range stored[:2] {
		if err := os.Chtimes(filepath.Dir(b.Path), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Resolve(stored[1].Source, ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Sweep(time.Minute); err != nil {
		t.Fatal(err)
	}
	for i, b := range stored {
		if _, err := os.Stat(b.Path); (err == nil) != (i > 0) {
			t.Errorf("%s: %v", filepath.Base(b.Source), err)
		}
	}
}
