//go:build !unix

package stdio

import "os"

// Guard does nothing where descriptors are not numbered.
func Guard() (*os.File, error) { return os.Stderr, nil }
