// Package onnx runs models with ONNX Runtime, through its C library, which is found at run time. It is the only package that
// needs cgo. Sessions may be used from any goroutine; a run ends soon after its context does.
package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Version is the version of ONNX Runtime that `make` fetches. Any library with API version 24 works: 1.24 and newer.
const Version = "1.27.0"

// EnvLibrary names a library to use instead of the fetched one, such as an operator's CUDA build.
const EnvLibrary = "ONNXRUNTIME_LIB"

// LibraryPath is where the fetched library lies: in the user's cache folder.
func LibraryPath() (string, error) {
	// A host names its user's cache folder with this variable on every platform, for a plugin's own home is private.
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("%w: no cache folder: %w", ErrLibrary, err)
		}
	}
	name := "libonnxruntime.so"
	if runtime.GOOS == "darwin" {
		name = "libonnxruntime.dylib"
	}
	return filepath.Join(cache, "vision", "onnxruntime-"+Version, name), nil
}

// Find returns the library that Open would load.
func Find() (string, error) {
	if path := os.Getenv(EnvLibrary); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %s names %s: %w; name a libonnxruntime of version 1.24 or newer", ErrLibrary, EnvLibrary, path, err)
		}
		return path, nil
	}
	path, err := LibraryPath()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: there is no %s; `make onnxruntime` fetches it, or set %s to a libonnxruntime of version 1.24 or newer", ErrLibrary, path, EnvLibrary)
	}
	return path, nil
}

var (
	openOnce sync.Once
	openErr  error
)

// Open loads the library, once in a process; later calls return the first one's error.
func Open() error {
	openOnce.Do(func() {
		path, err := Find()
		if err != nil {
			openErr = err
			return
		}
		ort.SetSharedLibraryPath(path)
		if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
			openErr = fmt.Errorf("%w: %s does not load: %w", ErrLibrary, path, err)
		}
	})
	return openErr
}
