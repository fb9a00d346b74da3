// Package config reads the JSON files of a model folder.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxBytes bounds a JSON file of a model folder; the largest published ones have some KiB.
const maxBytes = 1 << 20

// Read reads a JSON file. Its errors name the path.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s: a configuration has at most %d bytes", path, maxBytes)
	}
	return data, nil
}

// Decode reads a JSON file into a value. What the file does not name stays as it is.
func Decode(path string, into any) error {
	data, err := Read(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// DecodeOptional is Decode for a file that may be absent.
func DecodeOptional(path string, into any) error {
	err := Decode(path, into)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
