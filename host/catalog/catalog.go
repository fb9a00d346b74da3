// Package catalog finds plugin binaries and pins them: what is executed is a private copy named by its SHA-256, so that
// the bytes that were checked are the bytes that run. Descriptions are remembered by digest.
package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vision19/vision/sdk"
)

// Catalog is a folder of plugin binaries by digest.
type Catalog struct{ dir string }

// Open uses dir, which is made if it is not there.
func Open(dir string) (*Catalog, error) {
	dir, err := filepath.Abs(dir) // plugins run in folders of their own
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("open the plugin store: %w", err)
	}
	return &Catalog{dir: dir}, nil
}

// Binary is one plugin binary in the store.
type Binary struct {
	Source string // where it was found
	Path   string // the copy to execute
	SHA256 string // lower-case hex
}

// DigestError reports a binary that is not the one that was pinned.
type DigestError struct {
	Source, Want, Got string
}

// Error names both digests and the cure.
func (e *DigestError) Error() string {
	return fmt.Sprintf("%s has the SHA-256 %s, pinned is %s: put the pinned file back, or `vision lock` pins this one", e.Source, e.Got, e.Want)
}

// Resolve copies the binary into the store, unless it is there, and checks it against the pinned digest, which may be "".
func (c *Catalog) Resolve(source, pinned string) (Binary, error) {
	info, err := os.Stat(source)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Binary{}, fmt.Errorf("%s does not exist; build the plugins with `make`", source)
	case err != nil:
		return Binary{}, fmt.Errorf("find the plugin: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return Binary{}, fmt.Errorf("%s is no executable file", source)
	}
	digest, err := digestOf(source)
	if err != nil {
		return Binary{}, err
	}
	if pinned != "" && pinned != digest {
		return Binary{}, &DigestError{Source: source, Want: pinned, Got: digest}
	}
	b := Binary{Source: source, SHA256: digest, Path: filepath.Join(c.dir, digest, filepath.Base(source))}
	if stored, err := digestOf(b.Path); err == nil && stored == digest {
		now := time.Now()
		return b, os.Chtimes(filepath.Dir(b.Path), now, now) // for Sweep
	}
	return b, c.store(source, b)
}

// Sweep removes the binaries that nobody has resolved for so long. No plugin of them may be running.
func (c *Catalog) Sweep(unused time.Duration) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("sweep the plugin store: %w", err)
	}
	var errs error
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > unused {
			errs = errors.Join(errs, os.RemoveAll(filepath.Join(c.dir, e.Name())))
		}
	}
	return errs
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the plugin: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the plugin: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// store copies, hashing what is written: the file may have changed since it was looked at.
func (c *Catalog) store(source string, b Binary) error {
	folder := filepath.Dir(b.Path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("store the plugin: %w", err)
	}
	in, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("store the plugin: %w", err)
	}
	defer in.Close()
	out, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return fmt.Errorf("store the plugin: %w", err)
	}
	defer os.Remove(out.Name())
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	err = errors.Join(err, out.Chmod(0o500), out.Close())
	if err != nil {
		return fmt.Errorf("store the plugin: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != b.SHA256 {
		return fmt.Errorf("%s changed while it was read: try again", source)
	}
	if err := os.Rename(out.Name(), b.Path); err != nil {
		return fmt.Errorf("store the plugin: %w", err)
	}
	return nil
}

// Description returns what the binary said of itself before, if it has been asked with this SDK version.
func (c *Catalog) Description(b Binary) (sdk.Description, bool) {
	data, err := os.ReadFile(c.describePath(b))
	if err != nil {
		return sdk.Description{}, false
	}
	var d sdk.Description
	ok := d.UnmarshalBinary(data) == nil && d.Check() == nil
	return d, ok
}

// Remember keeps a description for Description. It is a cache: an error costs one start.
func (c *Catalog) Remember(b Binary, d sdk.Description) error {
	path := c.describePath(b)
	out, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("remember the description: %w", err)
	}
	defer os.Remove(out.Name())
	data, err := d.MarshalBinary()
	if err == nil {
		_, err = out.Write(data)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("remember the description: %w", err)
	}
	return os.Rename(out.Name(), path)
}

func (c *Catalog) describePath(b Binary) string {
	return filepath.Join(filepath.Dir(b.Path), "describe-"+sdk.Version)
}
