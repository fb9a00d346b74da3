package instance

import (
	"fmt"

	"github.com/vision19/vision/sdk"
)

// The bounds of a description. It is kept for every process, written down, and the source of the document of the API, so that a plugin which sends
// all that a message holds would cost every client. The largest of ours have 20 parameters in 4 KiB.
const (
	maxDescription = 1 << 20 // bytes
	maxFields      = 1000    // inputs, parameters and config parameters together
)

// CheckDescription reports a description that is too large, as an sdk.ErrInternal.
func CheckDescription(d sdk.Description) error {
	if n := len(d.Inputs) + len(d.Parameters) + len(d.Config); n > maxFields {
		return sdk.NewError(sdk.CodeInternal, fmt.Sprintf("the plugin's description has %d inputs and parameters: at most %d", n, maxFields), nil)
	}
	data, err := d.MarshalBinary()
	if err != nil {
		return sdk.NewError(sdk.CodeInternal, "the plugin's description is wrong: "+err.Error(), err)
	}
	if len(data) > maxDescription {
		return sdk.NewError(sdk.CodeInternal, fmt.Sprintf("the plugin's description has %d bytes: at most %d", len(data), maxDescription), nil)
	}
	return nil
}
