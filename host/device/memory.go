package device

import (
	"errors"
	"fmt"
)

var errUnknownMemory = errors.New("the memory of this machine is not known")

func unknownMemory(err error) error {
	return fmt.Errorf("%w; declare a device block with memory: %w", errUnknownMemory, err)
}
